(local ci (require :quire.ci))
(ci:job :test [:quire/push]
  {:image "alpine"
   :services {:db {:image "postgres:17" :environment {:POSTGRES_PASSWORD "x"} :ports ["5432:5432"] :healthcheck "pg_isready"}}}
  (fn [{: sh}] (sh "make test")))
