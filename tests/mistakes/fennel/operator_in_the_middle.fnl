(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (when [1 = 2] (sh "make test"))))
