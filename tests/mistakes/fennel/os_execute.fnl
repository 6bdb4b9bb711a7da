(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [] (os.execute "make test")))
