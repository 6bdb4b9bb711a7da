{:http {:bind "none"}}
{:limits {:runs 2}}
