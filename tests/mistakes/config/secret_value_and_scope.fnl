{:secrets {:token {:value "x7f3k" :repos ["site"]}}}
