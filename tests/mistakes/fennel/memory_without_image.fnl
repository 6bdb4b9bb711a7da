(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:memory "1g"} (fn [{: sh}] (sh "make test")))
