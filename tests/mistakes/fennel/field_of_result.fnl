(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh}]
    (let [r (sh "make test")]
      (when (not= r.code 0) (error "broken")))))
