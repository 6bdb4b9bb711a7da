(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (for (i 1 3) (sh "make test"))))
