(local ci (require :quire.ci))
(print (local x 1))
