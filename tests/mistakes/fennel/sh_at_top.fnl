(local ci (require :quire.ci))
(sh "make")
(ci:job :test [:quire/push] (fn [] (sh "true")))
