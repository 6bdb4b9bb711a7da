(local ci (require :quire.ci))
(local tools {})
(local made (tools.make "x"))
