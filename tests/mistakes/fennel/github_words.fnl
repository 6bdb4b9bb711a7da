(local ci (require :quire.ci))
(ci:job :test [:quire/push] {:runs-on "ubuntu-latest"} (fn [] (sh "true")))
