(local ci (require :quire.ci))
(ci:job 1 [:quire/push] (fn [{: sh}] (sh "make test")))
