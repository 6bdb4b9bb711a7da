{:secrets {:token {:file "secrets/token"}}}
