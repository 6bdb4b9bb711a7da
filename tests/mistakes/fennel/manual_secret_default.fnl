(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual {:token {:secret true :default "hunter22"}})]
  (fn [{: sh : secret}] (sh "./deploy" {:env {:TOKEN (secret :token)}})))
