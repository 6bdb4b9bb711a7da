(local ci (require :quire.ci))
(ci:job :test (fn [] (sh "make test")))
