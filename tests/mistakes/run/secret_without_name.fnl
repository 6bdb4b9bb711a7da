(local ci (require :quire.ci))
(ci:job :deploy [:quire/push] (fn [{: secret}] (secret)))
