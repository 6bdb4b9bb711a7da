{:secrets {:token {:path "/run/secrets/token"}}}
