(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh}]
    (with-open [file {:close (fn [])}]
      (sh "exit 3" {:check true}))
    (print "never")))
