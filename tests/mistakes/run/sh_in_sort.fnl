(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh}]
    (table.sort [3 1 2] (fn [a b] (sh "true") (< a b)))))
