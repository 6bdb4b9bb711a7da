(local ci (require :quire.ci))
(local name (let [x 1]))
