(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:image "alpine" :volumes ["/srv:/srv"]} (fn [{: sh}] (sh "make test")))
