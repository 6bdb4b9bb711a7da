(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: container}] (container {:image "alpine" :run "make test"})))
