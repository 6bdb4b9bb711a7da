(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual {:env {}}) :quire/manual] (fn [{: sh}] (sh "./deploy")))
