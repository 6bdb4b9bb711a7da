(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: jobs : log}] (each [_ name (ipairs [:build])] (log (jobs name)))))
