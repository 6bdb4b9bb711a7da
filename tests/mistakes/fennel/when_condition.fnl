(local ci (require :quire.ci))
(ci:job :deploy [:quire/push] {:when "branch == main"} (fn [{: sh}] (sh "make deploy")))
