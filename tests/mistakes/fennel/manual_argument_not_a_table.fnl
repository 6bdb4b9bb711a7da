(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual {:env "staging" :replicas :integer})]
  (fn [{: sh}] (sh "./deploy")))
