(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:image "My Image:latest"} (fn [{: sh}] (sh "make test")))
