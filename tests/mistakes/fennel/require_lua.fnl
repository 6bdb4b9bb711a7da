(local ci (require :quire.ci))
(local socket (require :socket))
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make test")))
