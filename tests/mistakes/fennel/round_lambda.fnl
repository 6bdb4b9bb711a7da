(local ci (require :quire.ci))
(local go (lambda (name) (print name)))
