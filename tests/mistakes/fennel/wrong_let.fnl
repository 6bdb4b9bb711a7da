(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [] (let [x] (sh "true"))))
