(local ci (require :quire.ci))
(defun test () (print "test"))
