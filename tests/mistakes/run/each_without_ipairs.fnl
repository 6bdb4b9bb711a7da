(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: sh}] (each [file ["a" "b"]] (sh ["cat" file]))))
