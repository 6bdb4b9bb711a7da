(local ci (require :quire.ci))
<<<<<<< HEAD
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make test")))
=======
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make check")))
>>>>>>> topic
