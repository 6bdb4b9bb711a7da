(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (with-open (f {}) (sh "make test"))))
