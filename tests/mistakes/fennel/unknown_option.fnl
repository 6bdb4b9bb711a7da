(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:timeuot "5m"} (fn [] (sh "true")))
