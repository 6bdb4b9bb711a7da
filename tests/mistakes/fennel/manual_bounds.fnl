(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual {:replicas {:type :integer :minimum 5 :maximum 1}
                             :name {:min-length -1}
                             :step {:type :number :multiple-of 0}})]
  (fn [{: sh}] (sh "./deploy")))
