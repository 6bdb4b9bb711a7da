{:secrets {:token {:file "/run/secrets/token" :repos []}}}
