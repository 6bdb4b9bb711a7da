(local ci (require :quire.ci))
(ci:job :test [:quire/psuh]
	(fn [{: sh}] (sh "make test")))
