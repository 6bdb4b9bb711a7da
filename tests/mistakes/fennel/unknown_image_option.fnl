(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:image "alpine" :memroy "1g"} (fn [] (sh "true")))
