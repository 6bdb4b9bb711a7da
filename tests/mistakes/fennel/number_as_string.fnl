(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:timeout "300"} (fn [{: sh}] (sh "make test")))
