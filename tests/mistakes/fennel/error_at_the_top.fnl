(local ci (require :quire.ci))
(local settings (json-decode "{"))
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make test")))
