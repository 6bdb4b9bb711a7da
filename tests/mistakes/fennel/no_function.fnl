(local ci (require :quire.ci))
(ci:job :test [:quire/push] (sh "make test"))
