(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual {:env {:enum ["staging" "prod"] :requried true}})]
  (fn [{: sh : args}] (sh ["./deploy" args.env])))
