(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (each (_ name (ipairs [:a :b])) (sh name))))
