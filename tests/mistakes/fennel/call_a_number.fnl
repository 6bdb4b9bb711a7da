(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (1 2 3)))
