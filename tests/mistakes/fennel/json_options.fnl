(local ci (require :quire.ci))
(ci:job :test [:quire/push] {"timeout": "5m"} (fn [{: sh}] (sh "make test")))
