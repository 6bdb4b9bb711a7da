(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:timeout -1} (fn [{: sh}] (sh "make test")))
