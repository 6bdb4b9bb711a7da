(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:image "alpine" :memory "1 gig"} (fn [{: sh}] (sh "make test")))
