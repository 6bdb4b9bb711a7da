(local ci (require :quire.ci))
(ci:job :build [:quire/push] (fn [{: sh}] (sh "make") {:path "out"}))
(ci:job :test [:quire/push] (fn [{: sh :inputs {: build}}] (sh ["ls" build.path])))
