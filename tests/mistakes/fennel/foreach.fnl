(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (foreach [name [:a :b]] (sh name))))
