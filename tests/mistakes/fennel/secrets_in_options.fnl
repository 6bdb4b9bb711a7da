(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:secrets [:token]} (fn [{: sh}] (sh "make test")))
