(local ci (require :quire.ci))
(ci:job "my test!" [:quire/push] (fn [] (sh "true")))
