{:command ["ssh" "git@git.example.org" "quire"]}
