(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:script ["make" "make test"]} (fn [{: sh}] (sh "make test")))
