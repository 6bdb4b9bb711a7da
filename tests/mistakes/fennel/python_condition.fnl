(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh :inputs {:quire/push push}}]
    (if (push.branch == "main") (sh "make deploy") None)))
