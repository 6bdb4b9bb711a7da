//! The ways by which a pipeline gives a value away: each is the body of a job in which `v` is the value.

use super::Random;

/// Lengths at which texts are cut, or were.
const CUTS: [usize; 20] =
    [40, 60, 64, 72, 76, 80, 100, 120, 160, 200, 256, 500, 512, 1000, 1024, 2000, 4000, 4096, 8192, 16_384];

/// Command lines of bash that show `$V`.
const COMMANDS: &[&str] = &[
    "printf '%s\\n' \"$V\"",
    "printf 'Authorization: Bearer %s\\r\\n' \"$V\"",
    "printf %s \"$V\"; exit 3",
    "printf '%s' \"$V\" | base64",
    "printf '%s' \"$V\" | base64 -w 0",
    "printf 'x%s' \"$V\" | base64 -w 20",
    "printf 'xx%s yy' \"$V\" | base64 -w 64",
    "printf 'user:%s' \"$V\" | base64 -w 0 | tr '+/' '-_' | tr -d =",
    "printf '%s\\n' \"$V\" | openssl base64",
    "printf %s \"$V\" | xxd -p",
    "printf 'abc%s' \"$V\" | xxd -p -c 20 -u",
    "printf %s \"$V\" | od -An -v -tx1 -w4096",
    "printf %s \"$V\" | xxd",
    "printf 'abcde%s' \"$V\" | xxd -u -g1",
    "printf %s \"$V\" | xxd -e",
    "printf %s \"$V\" | xxd -b",
    "printf 'a%s' \"$V\" | xxd -i",
    "printf 'abc%s' \"$V\" | hexdump -C",
    "printf %s \"$V\" | hexdump",
    "printf 'a%s' \"$V\" | od",
    "printf 'ab%s' \"$V\" | od -Ax -tx1z",
    "printf %s \"$V\" | od -tx4",
    "printf %s \"$V\" | od -tx8",
    "printf %s \"$V\" | od -x",
    "printf 'abc%s' \"$V\" | od -c",
    "printf %s \"$V\" | od -An -b",
    "printf %s \"$V\" | od -tu1",
    "printf '%s' \"$V\" | tail -c +5 | xxd",
    "perl -MData::Dumper -e '$Data::Dumper::Useqq = 1; print Dumper($ENV{V})'",
    "node -e 'console.log(process.env.V, JSON.stringify(process.env.V), encodeURIComponent(process.env.V), Buffer.from(process.env.V).toString(\"hex\"))' || true",
    "printf %q \"$V\"",
    "echo ${V@Q}",
    "export -p",
    "declare -p V",
    "env",
    "env -0",
    "set",
    "cat /proc/self/environ",
    "tr '\\0' '\\n' </proc/self/environ",
    "set -x; true \"$V\"",
    "sh -xc 'x=$V; true \"$x\"'",
    "printf '%s\\n' \"$V\" | sed 's/^/| /'",
    "printf '%s\\n' \"$V\" | nl",
    "printf '%s\\n' \"$V\" | cat -n",
    "printf '%s\\n' \"$V\" | tee /dev/stderr",
    "printf '%s' \"$V\" | tr '\\n' ' '",
    "printf '%s' \"$V\" | jq -Rs .",
    "printf '%s' \"$V\" | jq -Rsa '{token: .}' | jq -Rs .",
    "printf '%s' \"$V\" | jq -Rr @uri",
    "printf '%s' \"$V\" | jq -Rr @html",
    "printf '%s' \"$V\" | jq -Rr @sh",
    "printf '%s' \"$V\" | jq -Rr @base64",
    "while read -r line; do printf %s \"$line\" | xxd -p -c 0; done <<<\"$V\"",
    "printf 'loading 10%%\\rloading 99%%\\r%s\\rdone\\n' \"$V\"",
    "perl -e '$| = 1; print for split //, $ENV{V}'",
    "perl -e '$| = 1; for (split /(?<=.....)/s, $ENV{V}) { print; select undef, undef, undef, 0.02 }'",
    "perl -e '$| = 1; for (split /(?<=...)/s, $ENV{V}) { print; print STDERR \"noise\\n\" }'",
    "perl -e 'printf \"%02x%s\", ord, $i++ % 2 ? \" \" : \":\" for split //, $ENV{V}' | tr ' ' ':'",
    "perl -e 'printf \"%%%02X\", ord for split //, $ENV{V}'",
    "perl -e 'printf \"\\\\x%02x\", ord for split //, $ENV{V}'",
    "perl -e 'warn $ENV{V}; die \"cannot sign in with $ENV{V}\"'",
    "python3 -c 'import os, json; print(json.dumps({\"token\": os.environ[\"V\"]}))'",
    "python3 -c 'import os; print(repr(os.environ[\"V\"]), ascii(os.environ[\"V\"]), os.environb[b\"V\"])'",
    "python3 -c 'import os, html, urllib.parse as u; v = os.environ[\"V\"]; print(html.escape(v), u.quote(v), u.quote_plus(v), u.urlencode({\"t\": v}))'",
    "python3 -c 'import os, shlex, textwrap; v = os.environ[\"V\"]; print(shlex.quote(v)); raise ValueError(v)'",
    "curl -svm 5 -o /dev/null -H \"Authorization: Bearer ${V%%$'\\n'*}\" \"$URL\" || true",
    "curl -svm 5 -o /dev/null -u \"deploy:${V%%$'\\n'*}\" \"$URL\" || true",
    "printf %s \"$V\" >&2 & printf %s \"$V\"; wait",
    "fold -w 20 <<<\"$V\"",
    "head -c 40000 /dev/zero | tr '\\0' x; printf %s \"$V\"; head -c 40000 /dev/zero | tr '\\0' x",
];

/// Jobs that give the value to a primitive or an error, where nobody expects it.
const BODIES: &[&str] = &[
    "(log v)",
    "(print v)",
    "(print :a v [v] {:k v})",
    "(log (.. \"a\\tb\\n\" v \"\\nc\"))",
    "(log (json-encode {:token v :list [v]}))",
    "(log (json-encode (json-encode v)))",
    "(log (base64 v))",
    "(log (base64 (.. \"user:\" v)))",
    "(each [_ line (ipairs [v v v])] (print line))",
    "(error v)",
    "(error {:token v})",
    "(error [v v])",
    "(error {v 1})",
    "(error (setmetatable {} {:__tostring (fn [] v)}))",
    "(error (fn [] v))",
    "(assert false v)",
    "(assert nil (.. \"cannot sign in: \" v))",
    "(values nil v)",
    "(values false v)",
    "v",
    "{:token v}",
    "{v 1 :list [v {:deep v}]}",
    "[v v]",
    "(require v)",
    "(require (.. :lib. v))",
    "(require (.. v :.fnl))",
    "(sh [\"true\" v v])",
    "(sh [v])",
    "(sh [v v] {:env {:A v}})",
    "(sh [\"true\" v])",
    "(sh [\"echo\" v])",
    "(sh [\"cat\"] {:input v})",
    "(sh [\"sh\" \"-c\" \"echo $0\" v])",
    "(sh [\"false\" v])",
    "(sh [\"true\"] {:timeout v})",
    "(sh [\"true\"] {:cwd v})",
    "(sh [\"true\"] {:cwd (.. \"../\" v)})",
    "(sh [\"true\"] {:name v})",
    "(sh [\"false\"] {:name v})",
    "(sh [\"true\"] {:check v})",
    "(sh [\"true\"] {v 1})",
    "(sh [\"true\"] {:input [v]})",
    "(sh [\"true\"] {:env {v 1}})",
    "(sh [\"true\"] {:env {(.. \"A=\" v) 1}})",
    "(sh [\"true\"] {:env {:A {v v}}})",
    "(sh [\"true\"] {:env v})",
    "(sh [\"true\"] v)",
    "(sh {v v})",
    "(sh [\"true\" {v v}])",
    "(sh [\"echo\" v] {:timeout 0.001})",
    "(sh [\"sh\" \"-c\" \"printf %s \\\"$0\\\"; kill -9 $$\" v])",
    "(. (sh [\"echo\" v] {:check false}) :stdout)",
    "(container v [\"true\"])",
    "(container (.. \"docker.io/library/\" v) [\"true\"])",
    "(container (.. \"registry.invalid:5000/\" v) [\"true\"])",
    "(container (.. \"alpine:\" v) [\"true\"])",
    "(container (.. v \"/app:1\") [\"true\"])",
    "(container (.. \"alpine@\" v) [\"true\"])",
    "(container \"localhost/busybox\" [\"true\"] {:caps [v]})",
    "(container \"localhost/busybox\" [\"true\"] {:caps [(.. :CAP_ v)]})",
    "(container \"localhost/busybox\" [\"true\"] {:cpus v})",
    "(container \"localhost/busybox\" [\"true\"] {:mounts [v]})",
    "(container \"localhost/busybox\" [\"true\"] {:cwd (.. \"/work/../\" v)})",
    "(container \"localhost/busybox\" [\"true\"] {:network v})",
    "(container \"localhost/busybox\" [\"true\"] {:user v})",
    "(container \"localhost/busybox\" [\"true\"] {:mounts [{:source v :target v}]})",
    "(container \"localhost/busybox\" [\"true\"] {:memory v})",
    "(container \"localhost/busybox\" [\"true\"] {:env {v v}})",
    "(container \"localhost/busybox\" [\"true\"] {v v})",
    "(container \"localhost/busybox\" [\"true\"] {:secrets [v]})",
    "(read-file v)",
    "(read-file (.. \"../\" v))",
    "(write-file v v)",
    "(write-file (.. \"no/such/\" v) v)",
    "(write-file (.. \"/\" v) v)",
    "(json-decode v)",
    "(json-decode (.. \"{\\\"\" v \"\\\": \"))",
    "(json-decode (.. \"[\\\"\" v \"\\\", nope]\"))",
    "(json-encode {:f (fn [] v) v (fn [] v)})",
    "(base64-decode v)",
    "(hash v v)",
    "(hash :sha256 {v v})",
    "(secret v)",
    "(secret (.. :s v))",
    "(jobs v)",
    "(. jobs v)",
    "(v)",
    "(: v v)",
    "(: {} v)",
    "(. nil v)",
    "(. {} v :x)",
    "(+ 1 v)",
    "(.. v {})",
    "(< 1 v)",
    "(v:upper v)",
    "(v:format 1)",
    "(string.format v)",
    "(string.format (.. \"%\" v))",
    "(os.date v)",
    "(os.date (.. \"%\" v))",
    "(json-encode {(.. \"...\" v) print})",
    "(sh [\"true\"] {:env {(.. v \"=\") 1}})",
    "(string.rep v -1 v)",
    "(string.rep v 1e9)",
    "(string.format \"%d\" v)",
    "(string.format \"%q\" v)",
    "(string.gsub :x :x (.. v \"%\"))",
    "(string.find :x (.. v \"[\"))",
    "(string.pack v 1)",
    "(tonumber v v)",
    "(select v)",
    "(math.floor v)",
    "(table.concat [v {} v])",
    "(table.insert {} v v)",
    "(utf8.char v)",
    "(utf8.codepoint v 1 -1)",
    "(setmetatable {} v)",
    "(setmetatable v v)",
    "(xpcall #(error v) #(error (.. \"again \" v)))",
    "(let [(_ problem) (xpcall #(error v) (fn [problem] (.. problem v)))] (error problem 0))",
    "(let [t (setmetatable {} {:__index (fn [_ k] (error (.. k v)))})] (. t v))",
    "(let [{: nothing} {}] (nothing.at.all v))",
    "(table.sort [v v :a :b] (fn [a b] (error (.. a b))))",
    "(string.gsub v \".\" #(error v))",
    "(do (set _G.sh v) nil)",
    "(tset _G v v)",
    "(case v {: a} 1)",
    "(do (log (pcall #(error v))) (log (select 2 (pcall #(error v)))))",
];

/// One job: its body, with `v` for the value.
pub(super) fn body(number: usize, random: &mut Random, is_single_line: bool) -> String {
    let known = COMMANDS.len() + 2 * BODIES.len();
    if number < COMMANDS.len() {
        return shown_by(COMMANDS[number]);
    }
    if number < COMMANDS.len() + BODIES.len() {
        return BODIES[number - COMMANDS.len()].to_owned();
    }
    if number < known {
        let body = BODIES[number - COMMANDS.len() - BODIES.len()];
        return format!("(let [(_ problem) (pcall (fn [] {body}))] (log problem) (print problem))");
    }
    cut(random, is_single_line)
}

/// How many ways there are that are always the same.
pub(super) fn count() -> usize {
    COMMANDS.len() + 2 * BODIES.len()
}

fn shown_by(command: &str) -> String {
    let command = command.replace('\\', "\\\\").replace('"', "\\\"");
    format!("(sh [\"bash\" \"-c\" \"{command}\"] {{:env {{:V v :URL url}}}})")
}

/// A text that is likely to be cut inside the value, or a step that ends there.
fn cut(random: &mut Random, is_single_line: bool) -> String {
    let at = *random.pick(&CUTS) + 20 - random.between(0, 90).min(55);
    let text = format!("(.. (string.rep \"pad \" {}) (string.rep :x {}) v)", at / 4, at % 4);
    let shown = random.between(1, 40);
    match random.below(if is_single_line { 13 } else { 10 }) {
        0 => format!("(sh [\"true\"] {{:name {text}}})"),
        1 => format!("(sh [\"false\" {text}])"),
        2 => format!("(error {text})"),
        3 => format!("(log (select 2 (pcall #(error {text}))))"),
        4 => format!("(log (select 2 (pcall #(require {text}))))"),
        5 => format!("(log {text})"),
        6 => format!("(log (select 2 (pcall #(sh [\"true\"] {{:timeout {text}}}))))"),
        7 => format!("(sh [{text}])"),
        8 => shown_by(&format!("printf %.{shown}s \"$V\"")),
        9 => format!(
            "(sh [\"bash\" \"-c\" \"printf %.{shown}s \\\"$V\\\"; exec sleep 60\"] {{:env {{:V v}} :timeout 0.3}})"
        ),
        10 => format!("(sh (.. \"true # \" {text}))"),
        11 => format!("(sh (.. \"false # \" {text}))"),
        _ => format!(
            "(sh (.. \"exit 3 # curl -X POST https://api.invalid/repos/o/n/st -H 'Authorization: token \" {text} \"' -d @x\"))"
        ),
    }
}
