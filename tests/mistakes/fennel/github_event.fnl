(local ci (require :quire.ci))
(ci:job :test [:pull_request] (fn [{: sh}] (sh "make test")))
