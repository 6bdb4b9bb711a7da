(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:timeout "5 minutes"} (fn [] (sh "true")))
