(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [] (local n 1) (set n 2) (sh "true")))
