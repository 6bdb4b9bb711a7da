(local ci (require :quire.ci))
(ci:job :build [:quire/push] (fn [{: sh}] (sh "make")))
(ci:job :test [:quire/push] {:needs [:build]} (fn [{: sh}] (sh "make test")))
