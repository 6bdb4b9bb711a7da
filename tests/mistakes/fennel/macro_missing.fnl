(local ci (require :quire.ci))
(import-macros {: try} :steps)
(ci:job :test [:quire/push] (fn [{: sh}] (try (sh "make test"))))
