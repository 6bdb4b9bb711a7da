(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual)] (fn [{: sh}] (sh "./deploy")))
(ci:job :smoke [(ci.manual :env :token)] (fn [{: sh}] (sh "./smoke")))
(ci:job :clean [(ci.manual [:env])] (fn [{: sh}] (sh "./clean")))
