(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:image "https://docker.io/library/alpine"} (fn [{: sh}] (sh "make test")))
