(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [] (error {:code 3})))
