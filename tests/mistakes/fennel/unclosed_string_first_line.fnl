(local ci (require :quire.ci))
(local name "demo)
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make test")))
(ci:job :docs [:test] (fn [{: sh}] (sh "make docs")))
