(local ci (require :quire.ci))
(ci:job :test [:quire/pusj] (fn [] (sh "make test")))
