(local ci (require :quire.ci))
(ci:job :lint [:quire/push] {:allow_failure true} (fn [{: sh}] (sh "make lint")))
