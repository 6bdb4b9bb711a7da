//! Completion, in real shells.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::engine::skip;
use crate::stories::world::World;

fn job(world: &World, path: &str, config: &str) {
    let folder = world.path().join("project/scripts").join(path).join("config.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.yaml"), config).unwrap();
}

/// A project with jobs and an alias, and `flwd` in the PATH.
fn project() -> World {
    let world = World::new();
    std::os::unix::fs::symlink("quire", world.path().join("bin/flwd")).unwrap();
    let args = "argspec:\n  args:\n    - {name: name, required: true, description: Who is greeted}\n    - {name: tags, type: array, items_enum: [a b, \"c\\\"d\"]}\n\
                \x20   - {name: loud, type: boolean, description: In capitals}\n    - {name: secret_token, format: secret, enum: [x]}\n";
    job(&world, "demo", &format!("job: {{id: demo, summary: Greets somebody}}\ninterpreter: bash\n{args}"));
    job(
        &world,
        "ops/db/backup",
        "argspec: {args: [{name: database, enum: [main, replica]}, {name: where, type: directory}]}\n",
    );
    job(&world, "named/by/path", "job: {id: by-id, summary: Has an id}\n");
    let aliases = "aliases: [{from: demo, to: hello-demo, description: Shortcut for demo job}, {from: demo, to: \":jobs\"}]\n";
    fs::write(world.path().join("project/scripts/flwd.yaml"), aliases).unwrap();
    world
}

fn command(world: &World, program: &str) -> Command {
    let mut command = world.command(program);
    command.current_dir(world.path().join("project")).env("DATA_DIR", world.path().join("flowd"));
    command
}

/// The candidates, as `insert: (type, display)`.
fn candidates(world: &World, program: &str, words: &[&str]) -> BTreeMap<String, (String, String)> {
    let ended = world.run(command(world, program).arg("__complete").args(words));
    assert_eq!(ended.exit, 0, "{words:?}: {}", ended.output);
    let text = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
    let inserts: Vec<String> =
        ended.output.lines().map(|line| text(&serde_json::from_str(line).unwrap(), "insert")).collect();
    assert!(inserts.is_sorted(), "{inserts:?}");
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["insert", "display", "type"]);
        (text(&value, "insert"), (text(&value, "type"), text(&value, "display")))
    };
    ended.output.lines().map(read).collect()
}

fn inserts(world: &World, program: &str, words: &[&str]) -> Vec<String> {
    candidates(world, program, words).into_keys().collect()
}

#[test]
fn n15_complete_1_offers_commands_and_aliases() {
    let world = project();
    let found = candidates(&world, "flwd", &["1"]);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["by-id", "completion", "demo", "hello-demo", "help", "init", "named", "ops", "version"]
    );
    assert_eq!(
        found["hello-demo"],
        ("segment".into(), "hello-demo (alias -> demo, Shortcut for demo job)".into())
    );
    assert_eq!(found["demo"].1, "Greets somebody");
    assert_eq!(inserts(&world, "flwd", &["1", ":"]), [":jobs", ":plan", ":serve", ":sources"]);
    assert_eq!(inserts(&world, "flwd", &["1", "HELLO"]), ["hello-demo"]);
    assert_eq!(inserts(&world, "flwd", &["2", "ops", ""]), ["db"]);
    assert_eq!(inserts(&world, "flwd", &["1", "ops."]), ["ops.db.backup"]);
    assert_eq!(inserts(&world, "flwd", &["1", "ops/d"]), ["ops/db/backup"]);
    assert!(inserts(&world, "flwd", &["1", "zzz"]).is_empty());
    for words in [&["x"][..], &[]] {
        assert_eq!(world.run(command(&world, "flwd").arg("__complete").args(words)).exit, 1, "{words:?}");
    }
    // Without job folders there are still commands.
    let ended = world.run(world.command("flwd").args(["__complete", "1"]));
    assert!(ended.exit == 0 && ended.output.contains("completion"), "{}", ended.output);
}

#[test]
fn n16_a_job_or_alias_is_followed_by_its_flags() {
    let world = project();
    let found = candidates(&world, "flwd", &["4", "hello-demo", ""]);
    for name in ["--name", "--tags", "--loud", "--secret_token", "--json", "--profile", "-q"] {
        assert_eq!(found[name].0, "flag", "{name}: {found:?}");
    }
    assert_eq!(found["--loud"].1, "In capitals");
    // What was given is not offered again, except for lists.
    let found = inserts(&world, "flwd", &["9", "demo", "--", "--name", "x", "--tags=a", "--"]);
    assert!(!found.contains(&"--name".into()) && found.contains(&"--tags".into()), "{found:?}");
    let found = inserts(&world, "flwd", &["4", "ops.db.backup", ""]);
    assert!(found.contains(&"--database".into()), "{found:?}");
}

#[test]
fn n17_a_flag_is_followed_by_its_values() {
    let world = project();
    assert_eq!(inserts(&world, "flwd", &["5", "hello-demo", "--", "--loud", ""]), ["false", "true"]);
    assert!(inserts(&world, "flwd", &["5", "hello-demo", "--", "--loud", "--n"]).contains(&"--name".into()));
    assert_eq!(inserts(&world, "flwd", &["5", "ops", "db", "backup", "--", "--database", "R"]), ["replica"]);
    assert_eq!(inserts(&world, "flwd", &["5", "demo", "--", "--tags", ""]), ["a b", "c\"d"]);
    assert_eq!(inserts(&world, "flwd", &["5", "demo", "--", "--loud=f"]), ["--loud=false"]);
    assert_eq!(
        inserts(&world, "flwd", &["5", "ops", "db", "backup", "--", "--where", "scripts/"]),
        ["scripts/demo/", "scripts/named/", "scripts/ops/"]
    );
    assert_eq!(
        inserts(&world, "flwd", &["5", ":plan", "demo", "--", "--profile", ""]),
        ["disabled", "permissive", "secure"]
    );
    assert_eq!(
        inserts(&world, "flwd", &["3", ":sources", "add", "--", "--type", ""]),
        ["git", "local", "oci"]
    );
    // Nobody shows a secret, not even what it may be.
    assert!(inserts(&world, "flwd", &["5", "demo", "--", "--secret_token", ""]).is_empty());
}

/// Whether a shell is here; says so loudly when it is not.
fn has(world: &World, shell: &str) -> bool {
    let is_here = world.run(world.command("sh").args(["-c", &format!("command -v {shell}")])).exit == 0;
    assert!(is_here || std::env::var_os("CI").is_none(), "dev/setup installs {shell}");
    if !is_here {
        skip(&format!("no {shell}; dev/setup installs it"));
    }
    is_here
}

/// Types into an interactive shell; each step is what is typed and what must follow on the screen.
fn types(world: &World, shell: &str, steps: &[&str]) {
    if !has(world, shell.split(' ').next().unwrap()) {
        return;
    }
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/flwd/keys.py");
    let ended = world.run(command(world, "python3").arg(keys).arg(shell).args(steps));
    assert_eq!(ended.exit, 0, "{shell}: {}", ended.output);
}

#[test]
fn n9_bash_completes_what_is_typed() {
    types(
        &project(),
        "bash --norc --noprofile -i",
        &[
            "=>ready> ",
            r"source <(flwd completion bash); echo sou''rced\n=>sourced",
            r"\x15flwd hello-d\t=>flwd hello-demo ",
            r"--l\t=>--loud ",
            r"\x15flwd :j\t=>flwd :jobs ",
            r"\x15flwd ops db backup --database r\t=>replica ",
            r"\x15flwd demo --loud=f\t=>flwd demo --loud=false ",
            r"\x15flwd demo --tags a\t=>a\ b ",
            r"\x15flwd ops db backup --where scr\t=>scripts/",
        ],
    );
}

#[test]
fn n9_zsh_completes_what_is_typed() {
    types(
        &project(),
        "zsh -f -i",
        &[
            "=>ready> ",
            r"source <(flwd completion zsh); echo sou''rced\n=>sourced",
            r"\x15flwd hello-d\t=>emo ",
            r"\x15flwd demo --l\t=>oud ",
            r"\x15flwd :j\t=>obs ",
            r"\x15flwd ops db backup --database r\t=>eplica ",
            r"\x15flwd demo --tags a\t=>\ b ",
            r"\x15flwd \t\t=>Greets somebody",
        ],
    );
}

#[test]
fn n9_fish_completes_what_is_typed() {
    let world = project();
    if !has(&world, "fish") {
        return;
    }
    for (line, expected) in [
        ("flwd hello-d", "hello-demo\thello-demo (alias -> demo, Shortcut for demo job)\n"),
        ("flwd demo --lo", "--loud\tIn capitals\n"),
        ("flwd :j", ":jobs\t:jobs\n"),
        ("flwd ops db backup --database r", "replica\treplica\n"),
        ("flwd demo --loud=f", "--loud=false\t--loud=false\n"),
        ("flwd demo --tags c", "c\"d\tc\"d\n"),
    ] {
        let script = format!("flwd completion fish | source; complete -C '{line}'");
        assert_eq!(world.run(command(&world, "fish").args(["-c", &script])).output, expected, "{line}");
    }
}

#[test]
fn n9_each_shell_has_a_script_that_it_can_read() {
    let world = project();
    for program in ["flwd", "quire"] {
        for (shell, sign) in [
            ("bash", "complete -F"),
            ("zsh", "compdef"),
            ("fish", "complete -c"),
            ("powershell", "Register-ArgumentCompleter"),
        ] {
            let script = world.run(command(&world, program).args(["completion", shell])).output;
            assert!(
                script.contains(sign) && script.contains(program) && !script.contains("@program@"),
                "{script}"
            );
            if shell != "powershell" && has(&world, shell) {
                let file = world.path().join(shell);
                fs::write(&file, script).unwrap();
                let ended = world.run(world.command(shell).arg("-n").arg(&file));
                assert_eq!((ended.exit, ended.output.as_str()), (0, ""), "{shell}");
            }
        }
        assert_ne!(world.run(command(&world, program).args(["completion", "tcsh"])).exit, 0);
    }
}

#[test]
fn n10_new_jobs_and_flags_are_completed_without_a_new_script() {
    let world = project();
    assert_eq!(inserts(&world, "flwd", &["1", "add"]), Vec::<String>::new());
    job(&world, "added", "argspec: {args: [{name: fresh, type: boolean}]}\n");
    assert_eq!(inserts(&world, "flwd", &["1", "add"]), ["added"]);
    assert_eq!(inserts(&world, "flwd", &["2", "added", "--", "--f"]), ["--fresh"]);
    job(&world, "added", "argspec: {args: [{name: other, type: boolean}]}\n");
    assert_eq!(inserts(&world, "flwd", &["2", "added", "--", "--o"]), ["--on-error", "--other"]);
    fs::remove_dir_all(world.path().join("project/scripts/added")).unwrap();
    assert_eq!(inserts(&world, "flwd", &["1", "add"]), Vec::<String>::new());
    // The index is in the cache of the user, because there is no data folder; nothing else was made.
    assert!(world.path().join("home/.cache/quire/cache").is_dir() && !world.path().join("flowd").exists());
}

#[test]
fn n18_a_thousand_completions_keep_their_times() {
    let world = project();
    // A program that was built without optimisation has fewer jobs.
    let jobs = if cfg!(debug_assertions) { 100 } else { 1000 };
    for number in 0..jobs {
        job(&world, &format!("job-{number}"), "argspec: {args: [{name: loud, type: boolean}]}\n");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/flwd/completion_times.py");
    let measured = command(&world, "python3").arg(script).arg("flwd").output().unwrap();
    let output = String::from_utf8_lossy(&measured.stdout).into_owned();
    assert!(measured.status.success(), "{measured:?}");
    let times: Vec<f64> = output.split_whitespace().map(|time| time.parse().unwrap()).collect();
    for (time, promised) in times.iter().zip([25.0, 60.0, 120.0]) {
        assert!(*time <= promised, "p50, p95, p99: {times:?} ms");
    }
}

#[test]
fn quire_completes_commands_repositories_runs_and_jobs() {
    let world = project();
    for name in ["site", "group/tools"] {
        assert_eq!(world.run(world.command("quire").args(["repo", "new", name])).exit, 0);
    }
    for number in [1, 2, 10] {
        fs::create_dir_all(world.path().join(format!("data/runs/site.git/{number}"))).unwrap();
    }
    let found = |words: &[&str]| inserts(&world, "quire", words);
    assert_eq!(found(&["1", "co"]), ["completion"]);
    assert!(!found(&["1", ""]).contains(&"runner".to_owned()));
    assert_eq!(found(&["2", "repo", "ren"]), ["rename"]);
    assert_eq!(found(&["3", "repo", "rm", ""]), ["group/tools", "site"]);
    assert_eq!(found(&["2", "show", ""]), ["site#10"]);
    assert_eq!(found(&["2", "show", "site#"]), ["site#1", "site#10", "site#2"]);
    assert_eq!(found(&["2", "runs", "s"]), ["site"]);
    assert_eq!(found(&["3", "runs", "--", "--outcome", "f"]), ["failed"]);
    assert_eq!(found(&["3", "serve", "--", "--prof"]), ["--profile"]);
    assert_eq!(found(&["3", "serve", "--", "--profile", "p"]), ["permissive"]);
    assert_eq!(found(&["3", "ci", "plan", "--", "--event="]), ["--event=manual", "--event=push"]);
    assert_eq!(found(&["2", "completion", ""]), ["bash", "fish", "powershell", "zsh"]);
    assert_eq!(found(&["2", "run", "hello"]), ["hello-demo"]);
    assert_eq!(found(&["2", "run", "s"]), ["site"]);
    assert_eq!(found(&["3", "run", "ops", "db", "backup", "--", "--database", ""]), ["main", "replica"]);
    assert_eq!(found(&["3", "plan", "demo", "--", "--n"]), ["--name"]);
    assert_eq!(found(&["3", "run", "site", "--", "--wa"]), ["--wait"]);
    assert_eq!(found(&["4", "run", "--json", "--data", "x", "hello"]), ["hello-demo"]);
    assert_eq!(found(&["4", "run", "--json", "demo", "--", "--n"]), ["--name"]);
    assert_eq!(found(&["4", "source", "add", "--", "--type", "g"]), ["git"]);
    fs::create_dir_all(world.path().join("data/runs/quire/jobs.git/3")).unwrap();
    assert_eq!(found(&["2", "logs", "quire/"]), ["quire/jobs#3"]);
    in_each_shell(&world);
}

/// What is typed, what must be on the screen of bash and of zsh, and what fish offers.
const TYPED: [(&str, &str, &str, &str); 9] = [
    ("quire comp", "letion ", "letion ", "completion"),
    ("quire repo rm gr", "oup/tools ", "oup/tools ", "group/tools"),
    ("quire show sit", "e#10 ", "e", "site#10"),
    ("quire show site#2", "site#2 ", r"\#2", "site#2"),
    ("quire runs --outcome fa", "iled ", "iled ", "failed"),
    ("quire serve --prof", "ile ", "ile ", "--profile"),
    ("quire run hello-d", "emo ", "emo ", "hello-demo"),
    ("quire run demo --na", "me ", "me ", "--name"),
    ("quire run ops db backup --database r", "eplica ", "eplica ", "replica"),
];

/// Completes commands, repositories, runs, options and their values, jobs, arguments and their values.
fn in_each_shell(world: &World) {
    for (shell, start) in [("bash", "bash --norc --noprofile -i"), ("zsh", "zsh -f -i")] {
        let mut steps = vec![
            "=>ready> ".to_owned(),
            format!(r"source <(quire completion {shell}); echo sou''rced\n=>sourced"),
        ];
        steps.extend(TYPED.map(|(typed, bash, zsh, _)| {
            format!(r"\x15{typed}\t=>{}", if shell == "bash" { bash } else { zsh })
        }));
        types(world, start, &steps.iter().map(String::as_str).collect::<Vec<_>>());
    }
    if !has(world, "fish") {
        return;
    }
    for (typed, .., offered) in TYPED {
        let script = format!("quire completion fish | source; complete -C '{typed}' | string split -f1 \\t");
        let found = world.run(command(world, "fish").args(["-c", &script])).output;
        assert!(found.lines().any(|line| line == offered), "{typed}: {found}");
    }
}

#[test]
fn each_shell_completes_the_jobs_of_a_repository_and_their_arguments() {
    let world = project();
    let pipeline = "(local ci (require :quire.ci))\n(ci:job :deploy [(ci.manual {:env {:enum [:prod :staging]} :notes {}})] (fn [] nil))\n";
    fs::write(world.path().join("ci.fnl"), pipeline).unwrap();
    let pushed = "quire repo new site && git init -q copy && mkdir copy/.quire && mv ci.fnl copy/.quire && git -C copy add . && \
                  git -C copy commit -qm one && git -C copy push -q ../data/repos/site.git HEAD:main";
    let pushed = world.run(world.command("sh").args(["-c", pushed]));
    assert_eq!(pushed.exit, 0, "{}", pushed.output);
    assert_eq!(inserts(&world, "quire", &["2", "run", "site"]), ["site", "site:deploy"]);
    // What a commit declares is evaluated once.
    let cached = || fs::read_dir(world.path().join("home/.cache/quire/cache/fennel")).unwrap().count();
    let known = cached();
    assert_eq!(inserts(&world, "quire", &["2", "run", "site:d"]), ["site:deploy"]);
    assert_eq!(inserts(&world, "quire", &["4", "plan", "site:deploy", "--env", ""]), ["prod", "staging"]);
    assert_eq!(inserts(&world, "quire", &["3", "run", "site:deploy", "--", "--n"]), ["--notes"]);
    assert_eq!(cached(), known);
    types(
        &world,
        "bash --norc --noprofile -i",
        &[
            "=>ready> ",
            r"source <(quire completion bash); echo sou''rced\n=>sourced",
            r"\x15quire run site:d\t=>quire run site:deploy ",
            r"--e\t=>--env ",
            r"p\t=>prod ",
            r"--env=s\t=>--env=staging ",
        ],
    );
    types(
        &world,
        "zsh -f -i",
        &[
            "=>ready> ",
            r"source <(quire completion zsh); echo sou''rced\n=>sourced",
            r"\x15quire run site:d\t=>eploy ",
            r"--e\t=>nv ",
            r"p\t=>rod ",
        ],
    );
    if has(&world, "fish") {
        let script = "quire completion fish | source; complete -C 'quire run site:deploy --env s'";
        assert_eq!(world.run(command(&world, "fish").args(["-c", script])).output, "staging\tstaging\n");
    }
}
