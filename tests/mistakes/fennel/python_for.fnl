(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (sh "make test")))
for x in jobs do
