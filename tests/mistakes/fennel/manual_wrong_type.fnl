(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual {:replicas {:type :int :default "three"}
                             :loud {:type "bolean"}
                             :note {:required "yes"}})]
  (fn [{: sh : args}] (sh ["./deploy" args.note])))
