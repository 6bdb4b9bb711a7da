(local ci (require :quire.ci))

(ci:job :deploy (ci.manual {:env {}}) (fn [{: sh}] (sh "./deploy")))
