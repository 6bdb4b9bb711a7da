(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (let [name :a other] (sh name))))
