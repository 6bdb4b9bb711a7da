//! The command line, by the numbers of its promises and of the defects that it must not have.

use std::fs;

use serde_json::{Value, json};

use super::service::{Service, outline};

const SECRET: &str = "s3cret-token-0451";

/// A project with the job of the README: three scripts, an array and a secret.
fn readme() -> Service {
    let service = Service::project();
    fs::remove_dir_all(service.world.path().join("project/scripts/demo")).unwrap();
    service.job(
        "demo",
        "job: {id: demo, name: Demo, summary: Greets somebody}\ninterpreter: bash\nargspec:\n  args:\n    \
         - {name: name, type: string, required: true}\n    - {name: tags, type: array}\n    \
         - {name: secret_token, type: string, format: secret}\n",
        &[
            ("000_prepare", "echo \"prepare for $ARG_NAME\""),
            (
                "100_greet",
                "echo \"hello $name, ${#tags[@]} tags: ${tags[*]}\"\necho \"arguments: $* $FLWD_ARGS_JSON\"\n\
                 echo \"secret: ${secret_token:-none}\"\n\
                 if (env; tr '\\0' ' ' </proc/$$/cmdline) | grep -qF \"${secret_token:-nothing}\"; then echo leaked; fi",
            ),
            ("999_done", "touch \"$DATA_DIR/ran\"; echo done"),
        ],
    );
    service
}

/// Whether a text has these parts in this order.
fn has_in_order(text: &str, parts: &[&str]) -> bool {
    let mut rest = text;
    parts.iter().all(|part| rest.split_once(part).map(|(_, behind)| rest = behind).is_some())
}

fn lines_of(json: &str) -> Vec<Value> {
    json.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn n1_n2_n12_n13_jobs_and_aliases_are_listed_planned_and_run() {
    let service = readme();
    service.job("ops/db/backup", "job: {name: Backup}\ninterpreter: bash\n", &[("000_copy", "echo backup")]);
    service.job("bad", "interpreter: [\n", &[]);
    let table = service.flwd(&[":jobs"]);
    assert_eq!(table.exit, 0, "{}", table.output);
    let rows: Vec<Vec<&str>> = table.output.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["demo", "Demo", "Greets", "somebody"]), "{rows:?}");
    assert!(rows.contains(&vec!["hello-demo", "demo", "Shortcut"]), "{rows:?}");
    assert!(has_in_order(&table.output, &["ops.db.backup", "ALIASES", "hello-demo"]), "{}", table.output);
    let (exit, listed, _) = service.streams(&[":jobs", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let jobs = listed["jobs"].as_array().unwrap();
    let backup = jobs.iter().find(|job| job["id"] == "ops.db.backup").unwrap();
    assert_eq!((exit, &backup["name"]), (0, &json!("Backup")));
    assert!(backup["path"].as_str().unwrap().ends_with("scripts/ops/db/backup/config.d"), "{backup}");
    let alias = &listed["aliases"][0];
    assert_eq!(
        (&alias["name"], &alias["target_path"], &alias["target_id"], &alias["description"]),
        (&json!("hello-demo"), &json!("demo"), &json!("demo"), &json!("Shortcut"))
    );
    assert!(listed["errors"][0]["error"].as_str().unwrap().contains("parse yaml: "), "{listed}");

    let plan = service.flwd(&[":plan", "demo"]).output;
    assert!(
        has_in_order(
            &plan,
            &["Job: demo", "Interpreter: bash", "Args:", "name: string (required)", "[secret]"]
        ),
        "{plan}"
    );
    let (_, plan, _) = service.streams(&[":plan", "demo", "--json"]);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!((&plan["job_id"], &plan["steps"][2]["id"]), (&json!("demo"), &json!("999_done")));
    assert!(!service.world.path().join("data/runs").exists(), "a plan runs nothing");

    let ran = service.flwd(&["hello-demo", "--name", "Avery"]);
    assert!(
        ran.exit == 0 && has_in_order(&ran.output, &["prepare for Avery", "hello Avery", "done"]),
        "{ran:?}"
    );
    for words in [&["ops", "db", "backup"][..], &["ops.db.backup"], &["ops/db/backup"], &["OPS.DB.Backup"]] {
        assert_eq!(service.flwd(words).output, "backup\n", "{words:?}");
    }
}

#[test]
fn n3_n4_n8_and_defect_4_a_job_runs_and_its_secret_is_nowhere() {
    let service = readme();
    let words = ["demo", "--name", "alice", "--tags", "alpha", "--secret_token"];
    let given = |value| service.streams(&[&words[..], &[value]].concat());
    let (exit, output, warnings) = given(SECRET);
    assert_eq!(exit, 0, "{warnings}");
    assert!(has_in_order(&output, &["prepare for alice", "hello alice, 1 tags: alpha", "done"]), "{output}");
    assert!(output.contains("secret: <redacted>") && !output.contains("leaked"), "{output}");
    assert!(warnings.contains("--secret_token -"), "an argument is in the list of processes: {warnings}");

    fs::write(service.world.path().join("project/token"), SECRET).unwrap();
    for way in ["@token", "env:GIVEN"] {
        let mut command = service.command_of(&[&words[..], &[way]].concat());
        let ended = service.world.run(command.env("GIVEN", SECRET));
        assert!(
            ended.output.contains("secret: <redacted>") && !ended.output.contains("warn"),
            "{way}: {ended:?}"
        );
    }

    let (_, lines, _) = service.streams(&[&words[..], &[SECRET, "--json"]].concat());
    let events = lines_of(&lines);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("run.start", "run.finish"));
    assert_eq!(kinds.iter().filter(|kind| **kind == "step.finish").count(), 3);
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert!(events.iter().all(|event| event["run_id"] == events[0]["run_id"]));
    assert_eq!(events[events.len() - 1]["data"]["status"], "completed");
    let (_, plan, _) = service.streams(&[":plan", "demo", "--name", "x", "--secret_token", SECRET, "--json"]);
    assert!(plan.contains("\"secret_token\": \"[secret]\""), "{plan}");
    for text in [&output, &warnings, &lines, &plan] {
        assert!(!text.contains(SECRET), "{text}");
    }
    let left = service.world.run(service.world.command("grep").args(["-rlaF", SECRET, "data"]));
    assert_eq!((left.exit, left.output.as_str()), (1, ""), "a secret is on the disk");

    let mut help = service.command_of(&[":sources"]);
    let shown = service.world.run(help.env("FLWD_TOKEN", "tok-0451"));
    assert!(!shown.output.contains("tok-0451"), "{}", shown.output);
}

#[test]
fn defect_5_failures_timeouts_needs_and_policies_of_errors_count() {
    let service = Service::project();
    let fails = ("000_fail", "echo first; exit 7");
    let second = ("100_second", "echo second");
    let job = |name: &str, more: &str, scripts: &[(&str, &str)]| {
        service.job(name, &format!("interpreter: bash\n{more}\n"), scripts);
    };
    job("aborts", "error_handling: {policy: abort}", &[fails, second]);
    job("continues", "error_handling: {policy: continue}", &[fails, second]);
    let third_time = "echo x >>\"$RUN_DIR/tries\"; [ \"$(wc -l <\"$RUN_DIR/tries\")\" = 3 ] && echo third";
    job("retries", "error_handling: {policy: retry, retries: 2}", &[("000_try", third_time)]);
    job("gives-up", "error_handling: {policy: retry, retries: 1}", &[("000_try", third_time)]);
    job("late", "timeout: 1", &[("000_late", "echo begun; sleep 600; echo over")]);
    let steps = "composition: steps\nsteps:\n  - {id: last, script: last.sh, needs: [first, second]}\n  \
                 - {id: second, script: second.sh, needs: [first]}\n  - {id: first, script: first.sh}";
    job("flow", steps, &[("first.sh", "echo 1"), ("second.sh", "echo 2"), ("last.sh", "echo 3")]);
    let all = [("050_b", "echo 050"), ("000_a", "echo 000"), ("200_c", "echo 200"), ("notes", "echo notes")];
    job("numbers", "", &all);
    for (job, exit, output) in [
        ("aborts", 1, "first\n"),
        ("continues", 1, "first\nsecond\n"),
        ("retries", 0, "third\n"),
        ("gives-up", 1, ""),
        ("late", 1, "begun\n"),
        ("flow", 0, "1\n2\n3\n"),
        ("numbers", 0, "000\n050\n200\n"),
    ] {
        let (code, stdout, stderr) = service.streams(&[job]);
        assert_eq!((code, stdout.as_str()), (exit, output), "{job}: {stderr}");
        assert_eq!(stderr.is_empty(), exit == 0, "{job}: {stderr}");
    }
    let (code, output, _) = service.streams(&["aborts", "--on-error", "continue"]);
    assert_eq!((code, output.as_str()), (1, "first\nsecond\n"));
}

#[test]
fn n5_n31_and_defect_8_command_and_server_share_runs_events_and_the_data_folder() {
    let mut service = readme();
    let (_, alone, _) = service.streams(&["demo", "--name", "alice", "--json"]);
    service.serve(&["--dev"]).unwrap();
    let (exit, beside, error) = service.streams(&["demo", "--name", "alice", "--json"]);
    assert_eq!(exit, 0, "{error}");
    let run = service.run(r#"{"job_id":"demo","args":{"name":"alice"}}"#);
    let streamed = service.events(&run);
    let of_server = outline(&streamed);
    let runs = service.get("/runs").json();
    assert_eq!(runs.as_array().unwrap().len(), 3, "{runs}");
    for printed in [alone, beside] {
        let events = lines_of(&printed);
        let text = |event: &'_ Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let outline_of: Vec<_> =
            events.iter().map(|event| (text(event, "type"), text(event, "message"))).collect();
        let expected: Vec<_> =
            of_server.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect();
        assert_eq!(outline_of, expected);
        // The journal has the same events under the same numbers.
        let replayed = service.events(&json!({"id": events[0]["run_id"]}));
        let numbers = |events: &[Value]| -> Vec<u64> {
            events.iter().map(|event| event["sequence"].as_u64().unwrap()).collect()
        };
        assert_eq!(replayed.iter().map(|event| event.id).collect::<Vec<_>>(), numbers(&events));
    }
}

#[test]
fn n32_n33_the_profile_is_secure_unless_somebody_says_otherwise() {
    let service = Service::project();
    let profile = |words: &[&str], variable: Option<&str>| {
        let mut command = service.command_of(&[&[":plan", "gate", "--json"], words].concat());
        let output = command.envs(variable.map(|value| ("FLWD_PROFILE", value))).output().unwrap();
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        plan["security_profile"].as_str().unwrap_or("none").to_owned()
    };
    assert_eq!(profile(&[], None), "secure");
    for name in ["secure", "permissive", "disabled"] {
        assert_eq!(profile(&["--profile", name], None), name);
        assert_eq!(profile(&[], Some(name)), name);
    }
    // On the command line the flag is what the request asks for.
    assert_eq!(profile(&["--profile", "secure"], Some("disabled")), "secure");
    assert_eq!(profile(&["--profile", "lax"], None), "none");
    assert_eq!(profile(&[], Some("lax")), "none");
}

#[test]
fn defect_3_steps_extra_arguments_and_commands_are_under_the_policy_too() {
    let service = Service::start(&["--dev"]);
    let container = "executor: container\ninterpreter: container:localhost/none:1\n";
    let step = |step: &str| {
        format!(
            "interpreter: bash\ncomposition: steps\nsteps:\n  - {{id: one, script: one.sh, executor: container, container: {{image: \"localhost/none:1\", {step}}}}}\n"
        )
    };
    for (name, config, reason) in [
        ("extra", format!("{container}container: {{extra_args: [--privileged]}}\n"), "--privileged"),
        ("host", format!("{container}container: {{network: host}}\n"), "`host`"),
        ("step-network", step("network: host"), "`host`"),
        ("step-caps", step("capabilities: [SYS_ADMIN]"), "SYS_ADMIN"),
        ("step-extra", step("extra_args: [\"--volume=/:/host\"]"), "--volume=/:/host"),
        ("step-root", step("rootfs_writable: true"), "writing to the image's files"),
        ("environment", "interpreter: bash\nenv_inheritance: true\n".to_owned(), "the environment of quire"),
    ] {
        let mark = "touch \"$DATA_DIR/started\"";
        service.job(name, &config, &[("one.sh", mark), ("000_one", mark)]);
        let answer = service.post("/runs", &json!({ "job_id": name }).to_string());
        assert_eq!(
            (answer.problem().0, answer.problem().2.as_str()),
            (422, "policy.denied"),
            "{name}: {answer:?}"
        );
        assert!(answer.json()["detail"].as_str().unwrap().contains(reason), "{name}: {answer:?}");
        let (exit, _, error) = service.streams(&[name]);
        assert!(exit == 1 && error.contains("policy.denied") && error.contains(reason), "{name}: {error}");
    }
    assert!(!service.world.path().join("data/started").exists());
}

#[test]
fn defect_13_runs_beyond_the_limit_wait_and_none_is_lost() {
    let mut service = Service::project();
    fs::write(service.world.path().join("data/config.fnl"), "{:limits {:runs 1}}").unwrap();
    service.serve(&["--dev"]).unwrap();
    let runs: Vec<Value> = (0..3).map(|_| service.run(r#"{"job_id":"gate"}"#)).collect();
    let path = |run: &Value| format!("/runs/{}", run["id"].as_str().unwrap());
    service.stream(&[], &format!("{}/events", path(&runs[0]))).until("step.log");
    let states: Vec<_> = runs.iter().map(|run| service.get(&path(run)).json()["status"].clone()).collect();
    assert_eq!(states, ["running", "queued", "queued"]);
    let limits = service.get("/limits").json();
    assert_eq!((&limits["concurrency"], &limits["queue_stats"]["len"]), (&json!(1), &json!(2)), "{limits}");
    fs::write(service.world.path().join("project/open"), "").unwrap();
    for run in &runs {
        assert_eq!(service.events(run).pop().unwrap().data["status"], "completed");
    }
}

#[test]
fn wrong_words_are_one_error_and_start_nothing() {
    let service = readme();
    let named = ["demo", "--name", "x"];
    for (more, said) in [
        (&["demo"][..], "name"),
        (&[&named[..], &["--colour", "red"]].concat(), "colour"),
        (&[&named[..], &["--tags"]].concat(), "tags"),
        (&[&named[..], &["--secret_token", "@none"]].concat(), "none"),
        (&[&named[..], &["--secret_token", "env:NOT_SET"]].concat(), "NOT_SET"),
        (&[&named[..], &["--report", "xml"]].concat(), "--report"),
        (&["no-such-job"], "no-such-job"),
        (&["../demo"], "../demo"),
        (&[":job"], ":jobs"),
    ] {
        let (exit, output, error) = service.streams(more);
        assert!(exit == 1 && output.is_empty() && error.contains(said), "{more:?}: {output}{error}");
        assert!(!error.contains("panicked") && error.lines().count() <= 3, "{more:?}: {error}");
    }
    assert!(!service.world.path().join("data/runs/quire").exists());
    fs::remove_dir_all(service.world.path().join("project/scripts")).unwrap();
    assert_eq!(service.flwd(&[":jobs"]).output, "(no jobs found under scripts/)\n");
}
