(local ci (require :quire.ci))
(ci:job :lint [:quire/push] {:allow-failure "true"} (fn [{: sh}] (sh "make lint")))
