(local ci (require :quire.ci))

(ci:job :deploy [(ci.manual {:env {:required true} :token {:secret true}})]
  (fn [{: sh :args {: envv} &as job}]
    (sh ["./deploy" envv job.args.tokn])))
