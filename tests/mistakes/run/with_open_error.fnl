(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  (fn [{: sh}]
    (with-open [file {:close (fn [])}]
      (sh "true")
      (print file.name.length))
    (print "never")))
