(local ci (require :quire.ci))
(local options {:timeuot "5m"})
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make test" options)))
