(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: read-file : log}] (log (read-file "VERSION"))))
