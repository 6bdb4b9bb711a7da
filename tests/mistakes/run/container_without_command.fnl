(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: container}] (container "alpine")))
