(local ci (require :quire.ci))
(ci:job :test [:quire/push] ["make" "make test"])
