(local ci (require :quire.ci))
(ci:job :test ["push"] (fn [{: sh}] (sh "make test")))
