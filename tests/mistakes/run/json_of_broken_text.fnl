(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh : log}]
    (let [r (sh "echo {\"a\": }")]
      (log (. (json-decode r.stdout) :a)))))
