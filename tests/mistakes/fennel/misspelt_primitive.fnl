(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh : readfile}] (sh ["echo" (readfile "VERSION")])))
