(local ci (require :quire.ci))
(local deploy (require :lib.deploy))
(ci:job :test [:quire/push] (fn [] (sh "true")))
