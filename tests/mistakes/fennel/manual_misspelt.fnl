(local ci (require :quire.ci))

(ci:job :deploy [(ci.manaul {:env {}})] (fn [{: sh}] (sh "./deploy")))
