(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn [{: write-file}] (write-file "../out.txt" "x")))
