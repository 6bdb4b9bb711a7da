(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh :inputs {:quire/push push}}]
    (when (= push.brnach "main") (sh "make deploy"))))
