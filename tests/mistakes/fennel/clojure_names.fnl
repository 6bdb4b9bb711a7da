(local ci (require :quire.ci))
(def version "1.4")
(defn build [sh] (sh "make"))
(ci:job :test [:quire/push] (fn [{: sh}] (build sh)))
