(local ci (require :quire.ci))
(ci:job :quire/test [:quire/push] (fn [{: sh}] (sh "make test")))
