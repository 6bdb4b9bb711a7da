(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (sh "grep \d+ version.txt")))
