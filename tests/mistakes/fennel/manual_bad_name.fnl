(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual {"the env" {} :1st {} :token.x {:secret true}})]
  (fn [{: sh}] (sh "./deploy")))
