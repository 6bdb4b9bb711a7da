(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:timeout} (fn [{: sh}] (sh "make test")))
