(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:image "alpine" :services {"my db" "postgres:17"}} (fn [{: sh}] (sh "make test")))
