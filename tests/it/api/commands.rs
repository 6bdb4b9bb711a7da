//! What commands print as JSON: the shapes of the interface, and the same values wherever they are given.

use std::fs;

use serde_json::Value;

use super::Api;

/// Commands that read, the shape of each item that they print, and the members that are left out before values are
/// compared: those that name the door, or that the comparison itself changes.
const READS: [(&str, &str, &[&str]); 18] = [
    // A folder is of no use elsewhere.
    ("repo list", "Repo", &["/clone/path"]),
    ("jobs", "JobFolder", &["/path"]),
    ("jobs foo", "JobFolder", &["/path"]),
    ("runs", "Run", &[]),
    ("runs foo --outcome passed --limit 1", "Run", &[]),
    ("show foo#1", "Run", &[]),
    ("show foo", "Run", &[]),
    ("wait foo#1", "Run", &[]),
    ("run foo:test --dry-run", "Plan", &[]),
    ("plan foo:test", "Plan", &[]),
    ("plan demo/greet --name ada", "JobPlan", &[]),
    ("watch list", "Watch", &[]),
    ("source list", "Source", &[]),
    ("source show demo", "Source", &[]),
    ("notify list", "Notification", &[]),
    // To ask with a token is to use it.
    ("token list", "Token", &["/last_used_at"]),
    ("audit", "AuditShape", &[]),
    ("audit --action push.accepted --limit 1", "AuditShape", &[]),
];

/// Commands that change runs, each possible after those before it. All of them print the run.
const CHANGES: [&str; 5] =
    ["run foo:test", "rerun foo#1", "rerun foo#1 --job pack", "cancel $(quire run slow)", "run foo --wait"];

/// Where commands are given.
#[derive(Debug, Clone, Copy)]
enum From {
    /// On the machine of the data folder, with a server or without one.
    Here,
    /// Elsewhere, with a token.
    Elsewhere,
}

impl Api {
    /// The items that a command prints as JSON.
    fn printed(&self, from: From, command: &str) -> Vec<Value> {
        let server = match from {
            From::Here => String::new(),
            From::Elsewhere => format!("--server http://{}", self.address()),
        };
        // In a folder without job folders of its own.
        let text = self
            .shell(&format!("cd foo; export QUIRE_TOKEN=$(cat ../boss); quire {command} --json {server}"));
        let value = serde_json::from_str::<Value>(&text);
        let value = value.unwrap_or_else(|error| panic!("{from:?} {command}: {error}\n{text}"));
        let list = if command.starts_with("jobs") { &value["jobs"] } else { &value };
        list.as_array().cloned().unwrap_or_else(|| vec![list.clone()])
    }

    fn expect_shape(&self, (from, command): (From, &str), shape: &str, item: &Value) {
        let checked = self.contract.check_shape(shape, item);
        checked.unwrap_or_else(|wrong| panic!("{from:?} {command}: {wrong}"));
    }

    /// What all commands that read print, without what may differ.
    fn all_printed(&self, from: From) -> Vec<(&'static str, Vec<Value>)> {
        let printed = |(command, shape, left_out): (&'static str, &str, &[&str])| {
            let mut items = self.printed(from, command);
            assert!(!items.is_empty(), "{command} lists nothing");
            for item in &mut items {
                let mut optional = left_out.iter().filter(|place| place.ends_with("path"));
                optional.by_ref().for_each(|place| remove(item, place));
                self.expect_shape((from, command), shape, item);
                left_out.iter().for_each(|place| remove(item, place));
            }
            (command, items)
        };
        READS.into_iter().map(printed).collect()
    }
}

/// Removes the member at a place like `/clone/path`.
fn remove(value: &mut Value, place: &str) {
    let (above, name) = place.rsplit_once('/').unwrap();
    value.pointer_mut(above).and_then(Value::as_object_mut).unwrap().remove(name);
}

/// A server with something in every list: a second repository, a source, a watch that was looked at, a message that was
/// tried, and a token that may do everything.
fn furnished() -> Api {
    let api = Api::with_notifications();
    api.shell(
        "quire repo new group/bar; mkdir -p scripts/demo/greet; echo 'echo hello' >scripts/demo/greet/000_greet
         printf 'interpreter: sh\\nargspec: {args: [{name: name, required: true}]}\\n' >scripts/demo/greet/config.yaml
         quire source add --type local --ref demo && quire watch add /nowhere main --name gone &&
         quire token new boss 2>/dev/null >boss --scope admin,repos:read,repos:write,runs:read,runs:write,logs:read,sources:read",
    );
    let is_tried = |list: &str, mark: &str| {
        assert!(
            api.world.eventually(|_| api.shell(&format!("quire {list} --json")).contains(mark)),
            "{list}"
        );
    };
    is_tried("watch list", "\"error\"");
    is_tried("notify list", "\"attempts\": 1");
    api
}

#[test]
fn commands_that_read_print_the_same_json_with_a_server_without_one_and_elsewhere() {
    let mut api = furnished();
    let served = api.all_printed(From::Here);
    for ((command, elsewhere), (_, served)) in api.all_printed(From::Elsewhere).iter().zip(&served) {
        assert_eq!(elsewhere, served, "{command} --server");
    }
    api.world.end_server("TERM");
    for ((command, offline), (_, served)) in api.all_printed(From::Here).iter().zip(&served) {
        assert_eq!(offline, served, "{command} without a server");
    }
}

#[test]
fn commands_that_change_runs_print_the_run_with_a_server_without_one_and_elsewhere() {
    let mut api = furnished();
    fs::create_dir_all(api.world.path().join("slow/.quire")).unwrap();
    let slow = r#"(local ci (require :quire.ci)) (ci:job :wait [:quire/manual] (fn [] (sh "sleep 100")))"#;
    fs::write(api.world.path().join("slow/.quire/ci.fnl"), slow).unwrap();
    api.shell(
        "quire repo new slow && git init -q slow && cd slow && git add -A && git commit -qm slow &&
         git push -q $T/data/repos/slow.git HEAD:main 2>&1 | cat",
    );
    let mut members = Vec::new();
    for (from, is_served) in [(From::Here, true), (From::Elsewhere, true), (From::Here, false)] {
        if !is_served {
            api.world.end_server("TERM");
        }
        // Nobody runs it while nobody serves.
        for command in CHANGES.iter().filter(|command| is_served || !command.contains("--wait")) {
            let run = api.printed(from, command).remove(0);
            api.expect_shape((from, command), "Run", &run);
            members.push((*command, run["event"].clone(), run["repo"].clone()));
        }
    }
    for (command, event, repo) in &members {
        let first = members.iter().find(|(known, ..)| known == command).unwrap();
        assert_eq!((event, repo), (&first.1, &first.2), "{command}");
    }
}

#[test]
fn repositories_that_no_server_has_seen_are_listed_as_over_http() {
    let api = Api::new();
    api.shell("quire --data never repo new one && quire --data never repo new two && cp -a never/repos/one.git never/repos/copy.git");
    let listed = "quire --data never repo list --json 2>said";
    let repos: Vec<Value> = serde_json::from_str(&api.shell(listed)).unwrap();
    let names: Vec<_> = repos.iter().map(|repo| repo["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["two", "one"]);
    for repo in &repos {
        api.expect_shape((From::Here, listed), "Repo", repo);
        assert_eq!(repo["visibility"], "public");
    }
    assert_eq!(api.shell("cut -d' ' -f1-4 said"), "warning: copy: copy of\n");
    api.shell("echo '{:http {:visibility :unlisted}}' >never/config.fnl");
    let repos: Vec<Value> = serde_json::from_str(&api.shell(listed)).unwrap();
    assert_eq!(repos[0]["visibility"], "unlisted", "what the next server will say");
}

#[test]
fn users_and_keys_are_managed_elsewhere_as_here() {
    let api = furnished();
    api.shell("ssh-keygen -q -t ed25519 -N '' -C kim@laptop -f kim");
    let elsewhere = |command: &str| {
        let server = format!("--server http://{}", api.address());
        api.shell(&format!("export QUIRE_TOKEN=$(cat boss); quire {command} {server} 2>&1; echo \"exit $?\""))
    };
    let lists_are_the_same = |expected: &str| {
        for list in ["user list --json", "key list --json"] {
            let here = api.shell(&format!("quire {list} 2>&1; echo \"exit $?\""));
            assert_eq!(elsewhere(list), here, "{list}");
            assert_eq!(here.contains("\"kim\""), expected == "kim", "{list}: {here}");
        }
    };
    assert!(elsewhere("user add kim").contains("kim is a user now"));
    assert!(elsewhere("key add kim kim.pub --repo foo --read").contains("kim SHA256:"));
    lists_are_the_same("kim");
    for (command, exit, said) in [
        ("user add kim", 1, "kim"),
        ("user add ../kim", 2, "../kim"),
        ("key add kim kim.pub", 1, "kim"),
        ("key add absent kim.pub", 4, "absent"),
        ("key add kim boss", 2, "expected one public key"),
        ("key add kim missing.pub", 2, "missing.pub"),
        ("key rm 77", 4, "77"),
        ("user rm absent", 4, "absent"),
    ] {
        let answer = elsewhere(command);
        assert!(answer.contains(said) && answer.contains("error: "), "{command}\n{answer}");
        assert!(answer.ends_with(&format!("exit {exit}\n")), "{command}\n{answer}");
    }
    assert!(elsewhere("key rm 1").contains("the key 1 is removed"));
    assert!(elsewhere("user rm kim").contains("kim"));
    lists_are_the_same("nobody");
}
