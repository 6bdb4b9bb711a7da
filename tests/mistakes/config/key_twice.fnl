{:limits {:runs 2} :limits {:jobs 4}}
