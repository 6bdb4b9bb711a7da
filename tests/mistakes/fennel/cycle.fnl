(local ci (require :quire.ci))
(ci:job :a [:b] (fn [] (sh "true")))
(ci:job :b [:a] (fn [] (sh "true")))
