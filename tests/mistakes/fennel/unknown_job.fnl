(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [] (sh "make"))) 
(ci:job :deploy [:tset] (fn [] (sh "make deploy")))
