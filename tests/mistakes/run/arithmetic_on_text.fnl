(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh : log}]
    (let [count (. (sh "echo many") :stdout)]
      (log (+ count 1)))))
