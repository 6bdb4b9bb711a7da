(local ci (require :quire.ci))
(ci:job :deploy [:quire/push] {:when :on_success} (fn [{: sh}] (sh "make deploy")))
