(local ci (require :quire.ci))
(ci:job :test [:quire/push :test] (fn [{: sh}] (sh "make test")))
