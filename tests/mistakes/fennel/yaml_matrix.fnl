(local ci (require :quire.ci))
(each [_ os [:debian :alpine]]
  (ci:job os [:quire/push] (fn [{: sh}] (sh "make test"))))
