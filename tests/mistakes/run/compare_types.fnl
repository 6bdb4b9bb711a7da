(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh : log}]
    (let [r (sh "echo 3")]
      (when (> r.stdout 2) (log "many")))))
