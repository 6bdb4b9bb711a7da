(local ci (require :quire.ci))
(local steps {})
(ci:job :test [:quire/push] (fn [] (steps.build)))
