(local ci (require :quire.ci))
(ci:job :deploy [:quire/push]
  (fn [{: sh : secret}]
    (sh "make deploy" {:env {:TOKEN (secret :deploy_token)}})))
