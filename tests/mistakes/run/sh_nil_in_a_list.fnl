(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh :inputs {:quire/push push}}]
    (sh ["git" "tag" push.tag])))
