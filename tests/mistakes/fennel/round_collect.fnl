(local ci (require :quire.ci))
(local names (icollect (_ name (ipairs [:a :b])) name))
