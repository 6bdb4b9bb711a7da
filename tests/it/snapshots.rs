//! Texts that a person has read, and that change only on purpose: the help of every command, and the shapes of the JSON.
//!
//! After a change: `INSTA_UPDATE=always cargo nextest run snapshots`, then read the difference.

use serde_json::Value;

use super::place::Place;

/// A pipeline in which a job passes and another fails.
const PIPELINE: &str = "(local ci (require :quire.ci))
(ci:job :build [:quire/push] (fn [] (sh \"echo built\") {:size 3}))
(ci:job :test [:build] (fn [] (sh \"exit 3\")))
";

#[test]
fn the_help_of_every_command() {
    let place = Place::new(PIPELINE, &[], None);
    let (mut waiting, mut text) = (vec![Vec::new()], String::new());
    while let Some(command) = waiting.pop() {
        let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
        args.push("--help");
        let output = place.quire(&args);
        assert!(output.status.success(), "{args:?}");
        let help = String::from_utf8(output.stdout).unwrap();
        text.push_str(&format!("$ quire {}\n{help}\n", args.join(" ")));
        let listed = help.split("\nCommands:\n").nth(1).unwrap_or_default().lines();
        let names = listed.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
        let below = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        let below: Vec<_> = below.map(|name| [command.clone(), vec![name.to_owned()]].concat()).collect();
        waiting.extend(below.into_iter().rev());
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn the_json_of_a_run() {
    let place = Place::new(PIPELINE, &[], None);
    let check: Value = serde_json::from_slice(&place.quire(&["ci", "check", "--json"]).stdout).unwrap();
    let run: Value = serde_json::from_slice(&place.quire(&["ci", "run", "--json"]).stdout).unwrap();
    let shown = |mut value: Value| {
        blank(&mut value);
        serde_json::to_string_pretty(&value).unwrap()
    };
    insta::assert_snapshot!("ci_check_json", shown(check));
    insta::assert_snapshot!("ci_run_json", shown(run));
}

/// Puts words in the place of what differs from run to run.
fn blank(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_time = name.ends_with("_at") || name.ends_with("_s") || name == "t";
                let varies = is_time
                    || matches!(name.as_str(), "id" | "sha" | "commit" | "logs" | "run_dir" | "log_bytes");
                if varies && !value.is_null() && !value.is_array() {
                    *value = Value::from(format!("<{name}>"));
                } else {
                    blank(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(blank),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
