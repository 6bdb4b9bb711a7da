(local ci (require :quire.ci))
(ci:job :build [:quire/push] (fn [{: sh}] (sh "true") {1 "a" :b "c"}))
