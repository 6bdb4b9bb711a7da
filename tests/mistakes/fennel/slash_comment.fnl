(local ci (require :quire.ci))
// run the tests
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make test")))
