(local ci (require :quire.ci))
(local count 0)
(ci:job :test [:quire/push] (fn [{: sh}] (set count 1) (sh "make test")))
