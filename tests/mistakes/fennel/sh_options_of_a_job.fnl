(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:cwd "src" :check true :name "tests"} (fn [{: sh}] (sh "make test")))
