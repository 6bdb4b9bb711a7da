(local ci (require :quire.ci))
(ci:job :tag [:quire/push]
  (fn [{: log :inputs {:quire/push push}}]
    (log (push.tag:upper))))
