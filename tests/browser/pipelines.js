// Pipelines of the tests.
const job = (name, needs, body) => `(ci:job :${name} [${needs}] (fn [{: sh}] ${body}))`;
const of = (...jobs) => ["(local ci (require :quire.ci))", ...jobs].join("\n") + "\n";

export const passing = of(
  job("lint", ":quire/push", '(sh "echo lint is fine")'),
  job("fmt", ":quire/push", '(sh "echo formatted")'),
  job("build", ":quire/push", '(sh "echo one; sleep 0.15; printf \'\\\\033[32mCompiling\\\\033[0m store v0.1\\\\n\'") (sh "echo built; sleep 0.1")'),
  job("test", ":build", '(sh "seq -f \'test case %g ... ok\' 1 40; sleep 0.25")'),
  job("docs", ":build", '(sh "echo docs; sleep 0.1")'),
  job("mirror", ":test :docs :lint :fmt", '(sh "echo in step")'),
);

export const failing = of(
  job("lint", ":quire/push", '(sh "echo lint is fine")'),
  job("fmt", ":quire/push", '(sh "echo formatted")'),
  job("build", ":quire/push", '(sh "echo one; sleep 0.15; printf \'\\\\033[32mCompiling\\\\033[0m store v0.1\\\\n\'") (sh "echo built; sleep 0.1")'),
  job("test", ":build", `(sh "cargo --version 2>/dev/null || true; seq -f 'test case %g ... ok' 1 40")
    (sh "sleep 0.3; echo \\"thread 'store::replay' panicked at src/store.rs:212:9:\\"; printf '\\\\033[1;31massertion\\\\033[0m left == right failed\\\\n  left: 3\\\\n right: 4\\\\n'; exit 101")`),
  job("docs", ":build", '(sh "echo docs; sleep 0.1")'),
  job("mirror", ":test :docs :lint :fmt", '(sh "echo in step")'),
);

// Runs until the file `go-NAME` is there, a line for each line of the file `say-NAME`.
export const gated = (path, name) => of(
  job("first", ":quire/push", '(sh "echo first")'),
  job("live", ":quire/push", `(sh "echo begin; touch ${path}/say-${name}; tail -n +1 -f ${path}/say-${name} & t=$!; until [ -e ${path}/go-${name} ]; do sleep 0.05; done; sleep 0.2; kill $t; wait $t 2>/dev/null; echo end")`),
  job("after", ":live", '(sh "echo after")'),
);

export const lines = (count) => of(job("long", ":quire/push", `(sh "seq -f 'line number %g of a log that is long enough to be one' 1 ${count}")`));

// A job that somebody starts, with arguments.
export const manual = `(ci:job :deploy [(ci.manual {:env {:enum ["staging" "production"] :required true :description "Where to"} :replicas {:type :integer :default 2} :note {}})] (fn [{: sh}] (sh "echo deployed")))\n`;
