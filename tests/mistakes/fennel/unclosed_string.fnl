(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make test)))
(ci:job :docs [:test] (fn [{: sh}] (sh "make docs")))
