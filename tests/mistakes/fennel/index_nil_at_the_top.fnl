(local ci (require :quire.ci))
(local names {:test "make test"})
(ci:job :test [:quire/push] (fn [{: sh}] (sh (names.tests:upper))))
(print (names.docs:upper))
