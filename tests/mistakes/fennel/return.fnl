(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (if (. (sh "make test") :ok) (return "good"))))
