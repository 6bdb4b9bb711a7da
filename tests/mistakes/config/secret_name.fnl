{:secrets {"deploy token" "x7f3k"}}
