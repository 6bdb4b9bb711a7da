(local ci (require :quire.ci))
(local names {:a 1})
(local next-one (+ names.a names))
