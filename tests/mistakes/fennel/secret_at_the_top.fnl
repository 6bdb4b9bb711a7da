(local ci (require :quire.ci))
(local token (secret :token))
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make test")))
