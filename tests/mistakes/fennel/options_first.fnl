(local ci (require :quire.ci))
(ci:job :test {:timeout "5m"} [:quire/push] (fn [{: sh}] (sh "make test")))
