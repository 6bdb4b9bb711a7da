(local ci (require :quire.ci))
(ci:job :build [:quire/push] (fn [{: sh}] (sh "true") {:path "out" :clean (fn [] (sh "rm -r out"))}))
