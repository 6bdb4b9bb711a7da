(local ci (require :quire.ci))
(fn again [n] (+ 1 (again n)))
(ci:job :test [:quire/push] (fn [{: log}] (log (again 1))))
