(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (let (r (sh "make test")) r.ok)))
