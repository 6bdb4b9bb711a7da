{:secrets ["token" "key"]}
