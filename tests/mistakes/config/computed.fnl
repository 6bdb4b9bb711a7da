(local runs 2)
{:limits {:runs runs}}
