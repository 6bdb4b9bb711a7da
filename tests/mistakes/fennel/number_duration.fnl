(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:timeout true} (fn [] (sh "true")))
