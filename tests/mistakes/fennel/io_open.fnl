(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [] (io.open "/etc/passwd")))
