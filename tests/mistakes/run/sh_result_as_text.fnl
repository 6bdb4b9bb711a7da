(local ci (require :quire.ci))
(ci:job :version [:quire/push]
  (fn [{: sh : log}]
    (let [version (sh "echo 1.4")]
      (log (.. "version " version)))))
