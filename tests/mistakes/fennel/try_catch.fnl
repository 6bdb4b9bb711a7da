(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (try (sh "make test") (catch e (print e)))))
