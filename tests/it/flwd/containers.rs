//! Jobs in containers by the numbers of their promises: what policy lets start, and what a container is like.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::service::{Event, Service};
use crate::engine;
use crate::stories::world::World;

const SECRET: &str = "s3cret-token-0451";

/// Where the container of a job is, seen from inside.
const LOOK: &str = r#"echo "in a container, $ARG_NAME"
touch /bin/written 2>/dev/null && echo "root: writable" || echo "root: read-only"
touch "${0%/*}/written" 2>/dev/null && echo "job folder: writable" || echo "job folder: read-only"
touch "$RUN_DIR/written" 2>/dev/null && echo "run folder: writable" || echo "run folder: read-only"
grep -c : /proc/net/dev | grep -q '^1$' && echo "network: none" || echo "network: some"
grep -q 'CapEff:.*0000000000000000' /proc/self/status && echo "capabilities: none" || echo "capabilities: some"
grep -q 'NoNewPrivs:.*1' /proc/self/status && echo "new privileges: no" || echo "new privileges: yes"
[ -s /run/secrets/secret_token ] && echo "secret: $(cat /run/secrets/secret_token)" || echo "secret: none"
env | grep -qF -e "$(cat /run/secrets/secret_token)" -e SECRET_TOKEN= && echo "environment: secret" || echo "environment: clean""#;

/// A project with the job of the README in a container, and what more its container has.
fn project() -> Option<Service> {
    engine::can_run_containers().then(|| {
        let service = Service::project();
        demo_container(&service, "");
        service
    })
}

fn demo_container(service: &Service, more: &str) {
    let config = format!(
        "job: {{id: demo-container}}\nexecutor: container\ninterpreter: container:{}:latest\nargspec:\n  args:\n    \
         - {{name: name, type: string, default: nobody}}\n    - {{name: secret_token, type: string, format: secret}}\n{more}",
        engine::IMAGE
    );
    service.job("demo-container", &config, &[("000_main", LOOK)]);
}

/// A server whose bundle can be written anew, in a profile.
fn serve(service: &mut Service, profile: &str, rules: &str) -> PathBuf {
    let bundle = service.world.path().join("rules.yaml");
    fs::write(&bundle, rules).unwrap();
    let named = format!("FLWD_POLICY_FILE={}", bundle.display());
    service.serve(&["--dev", "--profile", profile, &named]).unwrap();
    bundle
}

fn lines(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.data["message"].as_str()).collect()
}

/// The subjects of what was allowed beyond what every container has.
fn decided(events: &[Event]) -> Vec<(&str, &str)> {
    let decisions = events.iter().filter(|event| event.kind == "policy.decision");
    decisions
        .map(|event| (event.data["subject"].as_str().unwrap(), event.data["decision"].as_str().unwrap()))
        .collect()
}

#[test]
fn n57_n61_n62_n66_a_container_has_no_rights_and_its_secret_in_a_file() {
    let Some(mut service) = project() else { return };
    let bound = [
        "root: read-only",
        "job folder: read-only",
        "run folder: writable",
        "network: none",
        "capabilities: none",
        "new privileges: no",
        "secret: <redacted>",
        "environment: clean",
    ];
    let (exit, output, error) =
        service.streams(&["demo-container", "--name", "Kim", "--secret_token", SECRET]);
    assert_eq!(exit, 0, "{output}{error}");
    let expected: String = bound.map(|line| format!("{line}\n")).concat();
    assert_eq!(output, format!("in a container, Kim\n{expected}"));
    service.serve(&["--dev"]).unwrap();
    let request = json!({"job_id": "demo-container", "args": {"name": "Kim", "secret_token": SECRET}});
    let run = service.run(&request.to_string());
    let events = service.events(&run);
    assert_eq!(lines(&events)[1..], bound);
    assert_eq!((&run["executor"], &run["runtime"]), (&json!("container"), &json!("podman")));
    assert_eq!(decided(&events), []);
    let is_counted = |_: &World| service.get("/metrics").body.contains("\nflwd_container_runs_total 1\n");
    assert!(service.world.eventually(is_counted), "{}", service.get("/metrics").body);
    assert!(service.get("/metrics").body.contains("\nflwd_container_pulls_total 0\n"));
}

#[test]
fn n35_n36_n55_n63_what_the_bundle_opens_reaches_the_container_and_is_recorded() {
    let Some(mut service) = project() else { return };
    let bundle = serve(&mut service, "permissive", "{}\n");
    let rules = |text: &str| fs::write(&bundle, text).unwrap();
    let refused = |text: &str| {
        rules(text);
        let (status, title, code) = service.post("/runs", r#"{"job_id":"demo-container"}"#).problem();
        assert_eq!(status, 422, "{text}");
        (title, code)
    };
    assert_eq!(
        refused("allowed_registries: [ghcr.io]\n"),
        ("image registry not allowed".into(), "image.registry.not.allowed".into())
    );
    assert_eq!(
        refused("verify_signatures: required\n"),
        ("image signature required".into(), "image.signature.required".into())
    );
    let metrics = service.get("/metrics").body;
    assert!(metrics.lines().any(|line| line == "flwd_container_runs_total 0"), "denied, not run: {metrics}");
    demo_container(&service, "container: {resources: {cpu: 1500m, memory: 256Mi}}\n");
    assert_eq!(refused("ceilings: {cpu: 1}\n").0, "container cpu exceeds policy ceiling");
    assert_eq!(refused("ceilings: {memory: 128Mi}\n").0, "container memory exceeds policy ceiling");
    assert_eq!(refused("ceilings: {cpu: 500m, memory: 128Mi}\n").1, "E_IMAGE_POLICY");

    let asked = "container: {network: bridge, rootfs_writable: true, capabilities: [CHOWN]}\n";
    demo_container(&service, asked);
    let all = "network: [bridge], rootfs_writable: true, caps: [CHOWN]";
    for listed in [
        "network: [bridge]",
        "rootfs_writable: true, caps: [CHOWN]",
        "network: [other], rootfs_writable: true",
    ] {
        assert_eq!(refused(&format!("overrides: {{{listed}}}\n")).1, "policy.denied", "{listed}");
    }
    let subjects = ["container.network", "container.rootfs", "container.capabilities"];
    rules(&format!("overrides: {{{all}}}\nrequests: [disabled]\n"));
    let granted = |profile: &str| {
        let request = json!({"job_id": "demo-container", "requested_security_profile": profile}).to_string();
        let plan = service.post("/plans", &request).json();
        let run = service.run(&request);
        let events = service.events(&run);
        let seen = lines(&events);
        for line in ["root: writable", "network: some", "capabilities: some"] {
            assert!(seen.contains(&line), "{profile}, {line}: {seen:?}");
        }
        assert_eq!(decided(&events), subjects.map(|subject| (subject, "allowed")), "{profile}");
        for document in [&plan, &run, &service.get(&format!("/runs/{}", run["id"].as_str().unwrap())).json()]
        {
            let overrides = document["provenance"]["overrides"].as_array().unwrap();
            let named: Vec<&Value> = overrides.iter().map(|granted| &granted["subject"]).collect();
            assert_eq!(named, subjects, "{profile}: {document}");
        }
        plan["policy_findings"].to_string()
    };
    assert!(!granted("permissive").contains("warning"));
    rules("requests: [disabled]\n");
    assert!(granted("disabled").contains("warning"), "opened without being listed");
    // In `secure` nothing is open that the bundle lists.
    rules(&format!("overrides: {{{all}}}\n"));
    let request = r#"{"job_id":"demo-container","requested_security_profile":"secure"}"#;
    assert_eq!(service.post("/runs", request).problem().2, "policy.denied");
}

#[test]
fn n59_n60_without_an_engine_the_problem_comes_before_the_run() {
    let Some(mut service) = project() else { return };
    let (top, real) = (service.world.path().to_owned(), "/usr/bin/podman");
    if !fs::exists(real).unwrap() {
        return;
    }
    let engines = top.join("engines");
    fs::create_dir(&engines).unwrap();
    for name in ["sh", "bash", "git"] {
        symlink(format!("/usr/bin/{name}"), engines.join(name)).unwrap();
    }
    let path = engines.display().to_string();
    let called = |words: &[&str]| {
        let output = service.command_of(words).env("PATH", &path).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (exit, output, error) = called(&["demo-container"]);
    assert!(
        exit == Some(1) && output.is_empty() && error.contains("container.runtime.unavailable"),
        "{error}"
    );
    let (exit, output, _) = called(&["demo-container", "--json"]);
    let printed: Value = serde_json::from_str(&output).unwrap_or_default();
    assert_eq!(
        (exit, &printed["status"], &printed["code"]),
        (Some(1), &json!(422), &json!("container.runtime.unavailable"))
    );
    // Podman is preferred where both are there.
    for name in ["podman", "docker"] {
        symlink(real, engines.join(name)).unwrap();
    }
    service.serve(&["--dev", &format!("PATH={path}")]).unwrap();
    fs::remove_file(engines.join("podman")).unwrap();
    fs::remove_file(engines.join("docker")).unwrap();
    assert_eq!(service.post("/plans", r#"{"job_id":"demo-container"}"#).status, 200);
    let refused = service.post("/runs", r#"{"job_id":"demo-container"}"#);
    assert_eq!(
        refused.problem(),
        (422, "container runtime unavailable".into(), "container.runtime.unavailable".into())
    );
    for member in ["title", "status", "code"] {
        assert_eq!(refused.json()[member], printed[member], "the command says the same");
    }
    assert_eq!(service.get("/runs").json(), json!([]));
}

#[test]
fn n64_a_cancelled_container_is_stopped_and_removed_before_it_is_said() {
    let Some(mut service) = project() else { return };
    service.serve(&["--dev"]).unwrap();
    let config = format!("job: {{id: nap}}\nexecutor: container\ninterpreter: container:{}\n", engine::IMAGE);
    service.job(
        "nap",
        &config,
        &[("000_nap", "trap 'echo stopped; exit 0' TERM; echo asleep; sleep 300 & wait")],
    );
    let run = service.run(r#"{"job_id":"nap"}"#);
    let id = run["id"].as_str().unwrap();
    let mut stream = service.stream(&[], &format!("/runs/{id}/events"));
    stream.until("step.log");
    assert_eq!(crate::containers::containers(id).len(), 1);
    assert_eq!(service.curl(&["-X", "POST"], &format!("/runs/{id}:cancel")).status, 202);
    let rest = stream.until("run.canceled");
    assert_eq!(crate::containers::containers(id), Vec::<String>::new());
    assert!(lines(&rest).contains(&"stopped"), "it was asked to stop first: {rest:?}");
    assert_eq!(stream.until("run.finish").pop().unwrap().data["status"], "canceled");
}

#[test]
fn n55_a_granted_environment_is_recorded_too() {
    let mut service = Service::project();
    let bundle = serve(&mut service, "permissive", "overrides: {env_inheritance: true}\n");
    service.job(
        "inherits",
        "interpreter: bash\nenv_inheritance: true\n",
        &[("000_main", "echo $FLWD_POLICY_FILE")],
    );
    let run = service.run(r#"{"job_id":"inherits"}"#);
    let events = service.events(&run);
    assert_eq!(lines(&events), [bundle.to_str().unwrap()]);
    assert_eq!(decided(&events), [("env.inheritance", "allowed")]);
    assert_eq!(run["provenance"]["overrides"][0]["subject"], "env.inheritance");
}
