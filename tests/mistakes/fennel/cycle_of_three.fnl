(local ci (require :quire.ci))
(ci:job :build [:deploy] (fn [{: sh}] (sh "make")))
(ci:job :test [:build] (fn [{: sh}] (sh "make test")))
(ci:job :deploy [:test] (fn [{: sh}] (sh "make deploy")))
