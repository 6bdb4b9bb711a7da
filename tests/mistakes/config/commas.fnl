{:limits {:runs 2, :jobs 4}}
