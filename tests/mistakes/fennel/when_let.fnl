(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (when-let [name :a] (sh name))))
