{:secrets {:token {:file "/run/secrets/token" :refs ["main"] :jobs "deploy" :events [:pull_request]}}}
