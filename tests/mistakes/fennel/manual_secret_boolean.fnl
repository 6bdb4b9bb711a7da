(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual {:loud {:type :boolean :secret true}})]
  (fn [{: sh}] (sh "./deploy")))
