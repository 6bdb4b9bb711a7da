(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [] (sh "make test"))))
