//! Words of other languages and systems that people write in a pipeline, each with what Fennel and quire have for it.

use crate::model::kebab;

/// Words of a kind, and the hint for all of them; `{}` in it is the word.
type Words = (&'static str, &'static str);

/// Words that bind names: what such a form binds is no mistake of its own.
static BINDING: &[Words] = &[
    (
        "def define defvar defparameter defonce defconst",
        "`(local name value)` binds a value, `(fn name [x] …)` a function",
    ),
    (
        "const let* letrec let-values auto my our val declare readonly",
        "`(local name value)` binds a name, `(let [name value] …)` within a form",
    ),
    (
        "defn defn- defun func function def- proc sub defmethod define-function",
        "`(fn name [x] …)` is a function",
    ),
    ("defmacro define-syntax define-macro", "`(macro name [x] …)` is a macro"),
    (
        "class struct interface enum trait record defrecord deftype module namespace",
        "`{:name value}` is a table",
    ),
    (
        "import from use using ns require_relative source",
        "`(local name (require :name))` loads `.quire/lib/name.fnl`",
    ),
    (
        "export",
        "`(sh command {:env {:NAME \"value\"}})` gives a command a variable; `(local name value)` binds a name",
    ),
    ("foreach for-each forEach doseq dotimes dolist", LOOP),
    ("loop recur", REPEAT),
    ("if-let when-let if-some when-some", "`(let [x …] (when x …))`"),
    ("try catch except rescue", CATCH),
    ("set! setf setq setv assign", CHANGE),
];

/// Hints that words of both kinds have.
const LOOP: &str = "`(each [_ value (ipairs list)] …)` walks a list, `(for [i 1 3] …)` counts";
const REPEAT: &str = "`(while condition …)`, `(for [i 1 3] …)`, `(each [_ value (ipairs list)] …)`";
const CATCH: &str = "`(pcall f)` gives `false` and the error; a command that fails does not raise: `(let [result (sh …)] (when (not result.ok) …))`";
const CHANGE: &str = "`(var x 1)` binds what changes, `(set x (+ x 1))` changes it";

/// All other words.
static WORDS: &[Words] = &[
    ("ci quire", "begin the file with `(local ci (require :quire.ci))`"),
    // Operators.
    ("== === eq? eqv? equal? equals eq eql -eq identical?", "`(= a b)` compares"),
    ("!= !== <> /= neq ne -ne not-eq =/=", "`(not= a b)` compares"),
    ("&& &", "`(and a b)`"),
    ("|| |", "`(or a b)`"),
    ("! !!", "`(not x)`"),
    ("+= -= *= /= ..= <- ++ -- reset!", CHANGE),
    ("=> |>", "`(fn [x] …)` is a function; `(-> x (f) (g))` passes a value on"),
    ("** pow expt", "`(^ a b)` is the power"),
    ("mod modulo rem quot div", "`(% a b)` is the remainder, `(// a b)` the whole quotient"),
    // Values.
    ("null None NULL undefined nullptr Null Nil NIL void nothing Nothing", "write `nil`"),
    ("True TRUE yes Yes #t", "write `true`"),
    ("False FALSE no No off Off #f", "write `false`"),
    ("NaN Infinity inf nan", "`(/ 0 0)` is not a number, `math.huge` is infinity"),
    // Conditions.
    ("elif elsif elseif else then fi endif", "`(if condition value other-condition value otherwise)`"),
    (
        "cond switch select case-when",
        "`(if condition value other-condition value otherwise)`; `(case value pattern result …)` compares with patterns",
    ),
    ("if-not unless when-not", "`(if (not condition) …)`, `(when (not condition) …)`"),
    ("guard", "`(let [x …] (when x …))`"),
    ("end done esac", "a form ends with its `)`"),
    ("default otherwise", "the last value of `if` needs no condition: `(if condition value otherwise)`"),
    ("pass noop", "write `nil`"),
    // Errors and ends.
    ("finally ensure attempt", CATCH),
    ("throw raise panic die abort fail failure croak throws fatal", "`(error \"why\")` fails the job"),
    ("exit quit sys", "`(error \"why\")` fails the job; a function that ends passes it"),
    ("return", "the last form of a function is its value"),
    ("skip skipped", "a job that returns `nil` and does nothing is skipped: `(when condition …)`"),
    // Loops and lists.
    ("in of", LOOP),
    ("repeat until do-while", "`(while condition …)`, `(for [i 1 3] …)`, `(each [_ value (ipairs list)] …)`"),
    ("range xrange seq", "`(for [i 1 3] …)` counts"),
    (
        "break continue",
        "`(each [_ value (ipairs list) &until done] …)` ends a loop; `when` passes over a value",
    ),
    (
        "map filter mapv filterv mapcat flatmap flat-map remove keep listcomp",
        "`(icollect [_ value (ipairs list)] …)` makes a list of a list; `nil` is left out",
    ),
    (
        "reduce fold foldl foldr inject sum sum-of",
        "`(accumulate [sum 0 _ value (ipairs list)] (+ sum value))`",
    ),
    ("len count size strlen sizeof string-length", "`(length x)` is the length of a string or a list"),
    (
        "first head car rest tail cdr cadr last second third nth get get-in aref elt at index",
        "`(. table key)` reads a table: `(. list 1)` is the first value",
    ),
    (
        "assoc assoc-in put conj append cons add insert update push-back dissoc del delete unset",
        "`(tset table key value)` changes a table, `(table.insert list value)` appends",
    ),
    (
        "dict hash-map list vector array Array Map Set tuple set-of new object Object make-hash",
        "`{:key value}` is a table, `[a b]` a list",
    ),
    ("keys vals items entries iter", "`(each [key value (pairs table)] …)` walks a table"),
    ("sort sorted reverse", "`(table.sort list)` sorts a list in place"),
    ("apply call funcall unpack", "`(f (table.unpack list))` calls with the values of a list"),
    // Questions.
    ("nil? null? none? some? defined? exists? isset null", "`(= x nil)`, `(not= x nil)`"),
    ("empty? blank? zero?", "`(= (length x) 0)`, `(= x \"\")`"),
    (
        "string? number? table? list? function? isinstance typeof instanceof type-of is_a",
        "`(= (type x) :string)`",
    ),
    ("is isnt not-nil", "`(= a b)`, `(not= a b)`"),
    ("even? odd? pos? neg?", "`(= (% x 2) 0)`, `(> x 0)`"),
    // Text.
    (
        "str concat string-append format sprintf fmt strcat",
        "`(.. a b)` joins strings, `(string.format \"%d\" n)` formats",
    ),
    ("join implode", "`(table.concat list \", \")`"),
    ("split explode tokenize lines", "`(icollect [part (string.gmatch text \"[^,]+\")] part)` splits a text"),
    ("trim strip chomp", "`(text:match \"^%s*(.-)%s*$\")`"),
    (
        "replace gsub subst re re-find re-matches regex regexp",
        "`(text:match pattern)`, `(text:gsub pattern new)`, with patterns of Lua",
    ),
    (
        "lower upper downcase upcase lower-case upper-case toUpperCase toLowerCase",
        "`(text:lower)`, `(text:upper)`",
    ),
    (
        "contains contains? includes include? startswith endswith starts-with starts-with? ends-with? startsWith endsWith substring substr subs index-of indexOf",
        "`(text:find \"part\" 1 true)`, `(= (text:sub 1 3) \"abc\")`",
    ),
    ("int float integer parseInt parseFloat Number to-number atoi parse-int num", "`(tonumber text)`"),
    ("String to-string toString repr pr-str to-str", "`(tostring value)`"),
    ("max min abs ceil floor round sqrt random rand", "`math.{}` is in Lua's `math`: `(math.floor x)`"),
    ("inc dec 1+ 1- add1 sub1 plus minus succ", "`(+ x 1)`, `(- x 1)`"),
    (
        "puts println echo console printf display pp prn pr newline say warn info logger notice trace",
        "`(log …)` writes to the log of the job, `(print …)` works everywhere",
    ),
    ("JSON json to-json from-json yaml", "`(json-encode value)`, `(json-decode text)`"),
    ("md5 sha1 sha256 sha512 digest checksum", "`(hash text)` is SHA-256, `(hash text :sha512)`"),
    ("b64 base64-encode atob btoa encode decode", "`(base64 text)`, `(base64-decode text)`"),
    // The world.
    ("open file slurp read readFile fs readlines File", "`(read-file path)` reads a file of the workspace"),
    ("spit write writeFile save", "`(write-file path text)`"),
    (
        "env getenv environ ENV setenv process set-env",
        "a command gets variables by `(sh command {:env {:NAME \"value\"}})`, and reads them as `$NAME`",
    ),
    (
        "shell bash exec execute system spawn command cmd script run subprocess child_process popen zsh powershell run-command",
        "`(sh \"make test\")` runs a command",
    ),
    ("wait delay", "`(sleep 5)`"),
    ("time now date datetime Date timestamp", "`(os.time)`, `(os.date \"%Y-%m-%d\")`"),
    (
        "await async promise Promise thread setTimeout future parallel concurrently pmap",
        "`sh` waits for its command; jobs that do not need each other run at the same time",
    ),
    ("this self", "a function gets what is in its list: `(fn [self] …)`"),
    // Other CI systems and this one.
    (
        "push pull_request pull-request merge_request event webhook",
        "take it from the inputs of the job: `(fn [{:inputs {:quire/push push}}] …)`",
    ),
    (
        "branch sha ref tag repo pusher created forced",
        "it is in `:quire/push`: `push.{}` after `(fn [{:inputs {:quire/push push}}] …)`",
    ),
    (
        "commit commit-sha revision",
        "it is in `:quire/push`: `push.sha` after `(fn [{:inputs {:quire/push push}}] …)`",
    ),
    (
        "github gitlab gitea CI context ctx event-name author actor",
        "what was pushed is in `:quire/push`: `push.branch` after `(fn [{:inputs {:quire/push push}}] …)`",
    ),
    (
        "inputs needs outputs needs-output",
        "take it from the table of the job: `(fn [{: inputs}] inputs.build)`",
    ),
    ("secrets vault token password credentials credential", "`(secret :name)` is the value of a secret"),
    (
        "job task stage stages pipeline workflow step steps on schedule cron trigger triggers",
        "`(ci:job :test [:quire/push] (fn [{: sh}] (sh \"make test\")))` declares a job",
    ),
    (
        "runs-on image uses with strategy services variables before_script after_script before-script after-script rules only except artifacts allow_failure allow-failure interruptible retry tags environment permissions concurrency defaults runner agent node-label stage-name depends_on depends-on when-passed timeout",
        "options stand before the function: `(ci:job :id [:quire/push] {:timeout \"5m\"} (fn [{: sh}] …))`",
    ),
    (
        "docker podman",
        "`(container \"alpine:3.22\" \"make test\")` runs a command in a container; `(sh \"{} …\")` calls the program",
    ),
    ("checkout clone actions/checkout fetch-repo", "the workspace is a checkout of the commit already"),
    ("notify slack email mail discord webhook-url", "notifications are rules of `config.fnl`: `:notify`"),
    (PROGRAMS, "a command is a string: `(sh \"{} …\")`"),
];

/// Programs that a step runs.
const PROGRAMS: &str = "make npm npx yarn pnpm cargo go pip pip3 python python3 node pytest git curl wget apt apt-get cd mkdir \
    rm cp mv ls chmod chown touch pwd ssh scp rsync tar zip unzip mvn gradle gradlew dotnet terraform kubectl ansible bundle rake composer php ruby \
    perl java javac gcc g++ clang cmake ninja meson tox uv poetry deno bun nix helm sudo sed awk tee xargs which test grep eslint \
    jest tsc ruff black mypy rustc rustup rustfmt clippy zig just hugo jekyll brew dnf yum apk aws gcloud az gh systemctl cat find mvnw";

/// The hint for a word of another language or system.
pub fn elsewhere(word: &str) -> Option<String> {
    let has = |words: &str| words.split_whitespace().any(|other| other == word);
    let found = BINDING.iter().chain(WORDS).find(|(words, _)| has(words));
    let hint = found.map(|(_, hint)| hint.replace("{}", word));
    let is_variable = |prefix: &str| word.starts_with(prefix);
    hint.or_else(|| {
        let of_event = ["GITHUB_", "GITLAB_", "CI_", "WOODPECKER_", "github.", "gitlab."];
        if of_event.into_iter().any(is_variable) {
            return elsewhere("github");
        }
        word.starts_with('$').then(|| elsewhere("env")).flatten()
    })
}

/// What people expect among the options of a job, and what to write instead.
static JOB_OPTIONS: &[Words] = &[
    (
        "needs depends-on dependson requires require after inputs dependencies depends before",
        "name the jobs among its inputs: `(ci:job :id [:build :test] …)`",
    ),
    (
        "runs-on agent runner tags node os machine labels executor",
        "jobs run where quire runs; `:image` runs the steps in a container",
    ),
    (
        "steps step script run command commands cmd exec sh shell before-script after-script tasks",
        "the steps are calls of `sh` in the function of the job: `(fn [{: sh}] (sh \"make test\"))`",
    ),
    (
        "stage stages phase order parallel",
        "jobs that do not need each other run at the same time; their inputs give the order",
    ),
    (
        "if only except rules branches branch on unless condition filter filters tag paths changes",
        "ask in its function: `(when (= push.branch \"main\") …)`; `:when` is about the jobs that it needs",
    ),
    ("container docker docker-image", "`:image \"alpine:3.22\"` runs its steps in containers"),
    ("continue-on-error allow-failures ignore-errors soft-fail", "write `:allow-failure true`"),
    (
        "variables environment env-vars vars envs",
        "give `:env` to each `sh`, from a table that the file binds once",
    ),
    ("timeout-minutes timeout-seconds time-limit max-time job-timeout", "write `:timeout \"10m\"`"),
    (
        "cancel-in-progress concurrency resource-group auto-cancel",
        "a newer push stops the job unless it says `:interruptible false`",
    ),
    (
        "artifact archive archive-artifacts upload save store",
        "write `:artifacts [\"dist\" \"target/report.xml\"]`, or `(artifact \"dist\")` in the function",
    ),
    (
        "junit reports test-report test-reports",
        "a test report is an artifact: `:artifacts [\"target/report.xml\"]`",
    ),
    ("outputs", "what the function returns is its output"),
    (
        "cache caches",
        "keep the folder outside of the workspace: `(sh cmd {:env {:CCACHE_DIR \"/srv/cache\"}})`",
    ),
    (
        "strategy",
        "declare the jobs in a loop: `(each [_ os (ipairs [\"a\" \"b\"])] (ci:job (.. \"test-\" os) …))`",
    ),
    ("name title id description", "its name is its first argument: `(ci:job :id [:quire/push] …)`"),
    ("cwd dir workdir working-directory directory", "give `:cwd` to each `sh`"),
    ("check", "give `:check` to each `sh`"),
    ("input stdin", "give `:input` to each `sh`"),
    (VOLUMES, MOUNTS),
    ("retries attempts max-attempts", "repeat the command in the step: `(sh \"make test || make test\")`"),
    ("secret", "did you mean `:secrets`?"),
    ("service sidecars", "did you mean `:services`?"),
];

/// The same of a step.
static STEP_OPTIONS: &[Words] = &[
    ("dir directory workdir working-directory chdir folder path cd", "did you mean `:cwd`?"),
    ("stdin text", "did you mean `:input`?"),
    ("environment variables vars envs env-vars", "did you mean `:env`?"),
    ("title label description id", "did you mean `:name`?"),
    ("timeout-minutes timeout-seconds time-limit max-time", "write `:timeout \"10m\"`"),
    (
        "allow-failure ignore-errors ignore-error continue-on-error fail strict must-pass",
        "`:check false` lets the job pass when the command fails, `:check true` ends it at once",
    ),
    ("shell", "a string runs by `/bin/sh`; for another one write `(sh [\"bash\" \"-c\" \"…\"])`"),
    ("image docker container", "`(container \"alpine:3.22\" \"make test\")` runs a command in a container"),
    ("secrets secret", "give the value by `:env`: `{:env {:TOKEN (secret :name)}}`"),
    ("retry retries attempts", "repeat the command: `(sh \"make test || make test\")`"),
    (
        "stdout stderr capture silent quiet output",
        "the result has `stdout` and `stderr`: `(let [result (sh \"make\")] result.stdout)`",
    ),
    ("if when unless", "write `(when condition (sh …))`"),
    (VOLUMES, MOUNTS),
];

/// The same of a service.
static SERVICE_OPTIONS: &[Words] = &[
    ("environment variables vars envs env-vars", "did you mean `:env`?"),
    ("command entrypoint args run", "did you mean `:cmd`?"),
    ("healthcheck health-check health-cmd ready test", "did you mean `:health`?"),
    ("ports expose port publish", "leave it out: steps reach every port of a service by its name"),
    ("depends-on needs", "leave it out: services start together, and `:health` says when one is ready"),
    ("restart", "leave it out: a service that ends before its job fails the job"),
    (VOLUMES, MOUNTS),
];

/// The same of a container's folders.
const VOLUMES: &str = "volumes volume mount binds bind";
const MOUNTS: &str =
    "folders of the host are `:mounts [\"/srv/cache:/cache:ro\"]`; the workspace is there already";

/// The same of `config.fnl`: the thing, its words, and the hint.
static SETTINGS: &[(&str, &str, &str)] = &[
    ("`config.fnl`", "server listen bind port address", "did you mean `:http {:bind \"127.0.0.1:7878\"}`?"),
    (
        "`config.fnl`",
        "url base-url public-url",
        "did you mean `:http {:public-url \"https://git.example.org\"}`?",
    ),
    ("`config.fnl`", "env environment variables", "did you mean `:pass-env`?"),
    ("`config.fnl`", "notifications notification", "did you mean `:notify`?"),
    ("`config.fnl`", "watches remotes repos repositories", "did you mean `:watch`?"),
    ("`config.fnl`", "profile", "did you mean `:policy {:profile :secure}`?"),
    ("`config.fnl`", "timeout run-timeout", "did you mean `:limits {:run-timeout \"1h\"}`?"),
    ("`:http`", "port host listen address addr", "did you mean `:bind \"127.0.0.1:7878\"`?"),
    ("`:http`", "url base-url external-url root-url", "did you mean `:public-url`?"),
    ("a secret", "path from-file", "did you mean `:file`?"),
    ("a secret", "value secret text", "a secret with its value is a string; one in a table has a `:file`"),
    ("a secret", "env environment variable", "a secret is a string or a `:file`, not a variable"),
    ("a secret", "branches branch", "did you mean `:refs [\"refs/heads/main\"]`?"),
    ("a watch", "interval poll period cron schedule", "did you mean `:every`?"),
    ("a watch", "path repo repository remote", "did you mean `:url`?"),
    ("a watch", "ref refs", "did you mean `:branch`?"),
    ("a watch", "password secret credentials", "did you mean `:token`?"),
    ("a rule", "target targets", "did you mean `:to`?"),
    ("a rule", "events event when", "did you mean `:on`?"),
    ("a rule", "branches branch", "did you mean `:refs [\"refs/heads/main\"]`?"),
    ("a table of a workflow", "command cmd exec script sh", "did you mean `run`?"),
    ("a table of a workflow", "0 1 2 3 4 5 6 7 8 9", "the number of a table is whole: `[0]`, `[1]`, `[2]`"),
    (
        "a table of a workflow",
        "name timeout env environment needs cwd dir image container when if allow-failure secrets services input",
        "a table has `run` and `interruptible`; other options need `.quire/ci.fnl`",
    ),
];

/// The hint about an option that other systems have; `of` is the thing, in the words of a message.
pub(super) fn option(of: &str, name: &str) -> Option<&'static str> {
    let plain = kebab(name);
    let has = |words: &str| words.split_whitespace().any(|word| word == plain);
    let options = match of {
        "a job" => JOB_OPTIONS,
        "`sh`" | "`container`" => STEP_OPTIONS,
        _ if of.starts_with("the service ") => SERVICE_OPTIONS,
        _ => {
            let found = SETTINGS.iter().find(|(thing, words, _)| *thing == of && has(words));
            return found.map(|(.., hint)| *hint);
        }
    };
    options.iter().find(|(words, _)| has(words)).map(|(_, hint)| *hint)
}

/// The hint about `:when` of a job, which other systems use for conditions.
pub(super) fn outcome(word: Option<&str>) -> &'static str {
    match word.map(kebab).unwrap_or_default().as_str() {
        "on-success" | "success" | "succeeded" | "success()" => "did you mean `:passed`?",
        "on-failure" | "failure" | "failure()" => "did you mean `:failed`?",
        "always()" => "did you mean `:always`?",
        _ => {
            "ask in its function: `(when (= push.branch \"main\") …)`; `:when` is about the jobs that it needs"
        }
    }
}

/// Whether a word is a program that steps run, as far as quire knows.
pub fn is_program(word: &str) -> bool {
    PROGRAMS.split_whitespace().any(|program| program == word)
}

/// Whether a form of this name binds names elsewhere.
pub fn binding_words() -> impl Iterator<Item = &'static str> {
    BINDING.iter().flat_map(|(words, _)| words.split_whitespace())
}
