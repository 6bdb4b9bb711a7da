(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:cache "target"} (fn [] (sh "true")))
