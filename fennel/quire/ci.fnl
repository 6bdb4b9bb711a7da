;; The module that a pipeline requires as :quire.ci. What it does is in the run VM; this names it.
(local {: job : manual : planned} (require :quire.primitives))

{: job
 :cron (planned :cron)
 : manual
 :matrix (planned :matrix)}
