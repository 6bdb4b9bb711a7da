(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:matrix {:os ["a" "b"]}} (fn [] (sh "true")))
