(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (setq name :a) (sh name)))
