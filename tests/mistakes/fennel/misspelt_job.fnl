(local ci (require :quire.ci))
(ci:jobb :test [:quire/push] (fn [] (sh "make test")))
