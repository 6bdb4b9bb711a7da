//! What `flwd :serve` answers, by the numbers of its promises.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::service::{Event, JWT_SECRET, Service, jwt, outline, token};

const KEY: &str = "Idempotency-Key: abcdefghij0123456789";

fn ids(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.id).collect()
}

#[test]
fn n21_n22_n24_the_routes_answer_in_dev_with_and_without_the_token_of_developers() {
    let service = Service::start(&["--profile", "secure", "--dev"]);
    for token in
        [&[][..], &["-H", "Authorization: Bearer dev-token"], &["-H", "authorization: bearer dev-token"]]
    {
        let jobs = service.curl(token, "/jobs").json();
        assert_eq!(jobs[0], json!({"id": "demo", "name": "Demo", "description": "Greets somebody"}));
    }
    assert_eq!(service.curl(&["-H", "Authorization: Bearer jobs:read"], "/jobs").status, 401);
    let plan = service.post("/plans", r#"{"job_id":"demo","args":{"name":"Kim","token":"s3cret-0451"}}"#);
    assert_eq!(
        (plan.status, &plan.json()["job_id"], &plan.json()["security_profile"]),
        (200, &json!("demo"), &json!("secure"))
    );
    assert!(plan.body.contains("[secret]") && !plan.body.contains("s3cret-0451"), "{plan:?}");
    let run = service.run(r#"{"job_id":"demo","args":{"name":"Kim"},"tenant":"team-a"}"#);
    let shown = (&run["job_id"], &run["executor"], &run["security_profile"], &run["tenant"]);
    assert_eq!(shown, (&json!("demo"), &json!("shell"), &json!("secure"), &json!("team-a")));
    service.events(&run);
    let path = format!("/runs/{}", run["id"].as_str().unwrap());
    let ended = service.get(&path).json();
    assert_eq!(
        (&ended["status"], &ended["security_profile"], &ended["tenant"]),
        (&json!("completed"), &json!("secure"), &json!("team-a"))
    );
    assert_eq!(ended["result"]["resolved_args"], json!({"name": "Kim", "count": 1, "token": "[secret]"}));
    assert_eq!(ended["provenance"]["source"]["type"], "local");
    assert_eq!(service.get("/runs").json()[0], ended);
    assert_eq!(service.get("/runs?page=2").json(), json!([]));
    for path in ["/runs/none", "/runs/quire%2Fjobs%231", "/nothing", "/kv/core_triggers/a"] {
        assert_eq!(service.get(path).problem().0, 404, "{path}");
    }
    for (method, path) in [("DELETE", "/jobs"), ("PUT", "/runs"), ("GET", "/plans"), ("POST", path.as_str())]
    {
        let answer = service.curl(&["-X", method], path);
        assert_eq!(answer.problem(), (405, "method not allowed".into(), String::new()), "{method} {path}");
    }
    for path in ["/jobs?page=0", "/runs?per_page=201", "/jobs?per_page=x"] {
        assert_eq!(service.get(path).problem().1, "invalid pagination", "{path}");
    }
    for path in ["/healthz", "/readyz", "/startupz", "/capabilities", "/limits", "/health/storage"] {
        assert!(matches!(service.get(path).status, 200 | 204), "{path}");
    }
}

#[test]
fn invalid_requests_have_the_titles_of_the_table() {
    let service = Service::start(&["--dev"]);
    for (body, status, title) in [
        (r#"{"job_id":"demo","args":{"name":5}}"#, 400, "invalid arguments"),
        (r#"{"job_id":"demo","args":{"name":"x","colour":"red"}}"#, 400, "invalid arguments"),
        (r#"{"job_id":"demo","args":{}}"#, 422, "argument validation failed"),
        (r#"{"job_id":"gate","args":{"a":1}}"#, 400, "job does not accept arguments"),
        (r#"{"job_id":"demo","jobb":1}"#, 400, "invalid request body"),
        (r#"{"job_id":"demo","source":"x"}"#, 400, "invalid request body"),
        (r#"{"job_id":7}"#, 400, "invalid request body"),
        (r#"["demo"]"#, 400, "invalid request body"),
        ("", 400, "invalid request body"),
        ("{", 400, "invalid request body"),
        (r#"{"job_id":"none"}"#, 404, "job not found"),
        (r#"{"job_id":"../demo"}"#, 404, "job not found"),
        (r#"{"job_id":"demo","source":{"name":"none"}}"#, 404, "source not found"),
        ("{}", 400, "job_id is required"),
        (r#"{"job_id":"gate","requested_security_profile":"lax"}"#, 422, "invalid security profile"),
    ] {
        let answer = service.post("/runs", body);
        assert_eq!((answer.problem().0, answer.problem().1.as_str()), (status, title), "{body}");
    }
    for (name, step, title) in [
        ("needs", "{id: a, script: 000_main, needs: [gone]}", "invalid dag configuration"),
        ("script", "{id: a, script: gone}", "invalid dag step"),
    ] {
        let config = format!("interpreter: bash\ncomposition: steps\nsteps:\n  - {step}\n");
        service.job(&format!("dag/{name}"), &config, &[("000_main", "true")]);
        for route in ["/plans", "/runs"] {
            let problem = service.post(route, &format!(r#"{{"job_id":"dag.{name}"}}"#)).problem();
            assert_eq!(problem, (422, title.to_owned(), "E_CONFIG".to_owned()), "{route} {name}");
        }
    }
    let wrong = service.post("/runs", r#"{"job_id":"demo","args":{}}"#).json();
    assert_eq!(wrong["errors"][0]["arg"], "name");
    assert_eq!(service.get("/runs").json(), json!([]), "nothing was started");
    assert_eq!(service.post("/runs", &format!(r#"{{"job_id":"{}"}}"#, "[".repeat(9_000))).status, 404);
}

#[test]
fn n23_and_defect_1_only_tokens_that_somebody_has_given_count() {
    let service = Service::start(&[&format!("FLWD_JWT_SECRET={JWT_SECRET}"), "--extension", "export"]);
    let missing = service.get("/jobs");
    assert_eq!(missing.problem(), (401, "unauthorized".into(), String::new()));
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"flowd\""));
    let head = r#"{"alg":"HS256"}"#;
    let unsigned = jwt(r#"{"alg":"none"}"#, r#"{"scope":"jobs:read"}"#, JWT_SECRET);
    for wrong in [
        "jobs:read,runs:read,runs:write,events:read,sources:write",
        "jobs:read",
        "dev-token",
        &jwt(head, r#"{"scope":"jobs:read"}"#, "another"),
        &jwt(head, r#"{"scope":"jobs:read","exp":1}"#, JWT_SECRET),
        &jwt(head, r#"{"scope":"jobs:read","nbf":9999999999}"#, JWT_SECRET),
        &unsigned,
        &format!("{}.", unsigned.rsplit_once('.').unwrap().0),
        "a.b.c",
    ] {
        assert_eq!(service.with_token(wrong, &[], "/jobs").problem().0, 401, "{wrong}");
    }
    let reader = token("jobs:read");
    assert_eq!(service.with_token(&reader, &[], "/jobs").status, 200);
    for (options, path) in [
        (&["-d", r#"{"job_id":"fail"}"#][..], "/runs"),
        (&[], "/runs"),
        (&[], "/events"),
        (&[], "/runs/x/events"),
        (&["-X", "POST"], "/runs/x:cancel"),
    ] {
        let answer = service.with_token(&reader, options, path);
        assert_eq!(answer.problem(), (403, "forbidden".into(), String::new()), "{path}");
    }
    // Both scopes, not one of them.
    assert_eq!(service.with_token(&token("runs:read"), &[], "/runs/x/events").status, 403);
    assert_eq!(service.with_token(&token("runs:read events:read"), &[], "/runs/x/events").status, 404);
    assert!([200, 204].contains(&service.get("/healthz").status));
    // A token of quire's.
    let made = service.world.run(service.world.command("quire").args([
        "token",
        "new",
        "ci",
        "--scope",
        "runs:read",
    ]));
    let own =
        made.output.split_whitespace().find(|word| word.starts_with("qt_")).unwrap_or_default().to_owned();
    assert_eq!(service.with_token(&own, &[], "/runs").status, 200, "{made:?}");
    assert_eq!(service.with_token(&own, &[], "/jobs").status, 403);
}

#[test]
fn n19_n20_aliases_are_in_lists_for_whom_they_are_for() {
    let key = format!("FLWD_JWT_SECRET={JWT_SECRET}");
    let has_alias = |service: &Service, scopes: &str| {
        let jobs = service.with_token(&token(scopes), &[], "/jobs").json();
        let alias = jobs.as_array().unwrap().iter().find(|job| job["id"] == "hello-demo").cloned();
        assert!(alias.iter().all(|alias| alias["alias_of"] == "demo" && alias["description"] == "Shortcut"));
        alias.is_some()
    };
    let service = Service::start(&[&key]);
    assert!(!has_alias(&service, "jobs:read"));
    assert!(has_alias(&service, "jobs:read sources:write") && has_alias(&service, "jobs:read jobs:write"));
    for more in ["--aliases-public", "FLWD_ALIASES_PUBLIC=true"] {
        assert!(has_alias(&Service::start(&[&key, more]), "jobs:read"), "{more}");
    }
    let options = ["-H", KEY, "-d", r#"{"job_id":"hello-demo","args":{"name":"x"}}"#];
    let run = service.with_token(&token("runs:write"), &options, "/runs");
    assert_eq!(
        (run.status, &run.json()["provenance"]["alias"]["target_path"]),
        (201, &json!("demo")),
        "{run:?}"
    );
}

#[test]
fn n25_and_defect_9_pages_of_this_machine_may_call_the_api_in_dev_and_no_others() {
    let service = Service::start(&["--dev"]);
    let of = |origin: &str, more: &[&str]| {
        let header = format!("Origin: {origin}");
        service.curl(&[&["-H", &header], more].concat(), "/runs")
    };
    for origin in ["http://localhost:3000", "http://127.0.0.1:5173", "http://localhost"] {
        assert_eq!(of(origin, &[]).header("access-control-allow-origin"), Some(origin));
        let preflight = of(origin, &["-X", "OPTIONS", "-H", "Access-Control-Request-Method: DELETE"]);
        assert_eq!(preflight.status, 204);
        assert!(preflight.header("access-control-allow-methods").unwrap().contains("DELETE"));
    }
    for origin in ["http://localhost.evil.test", "https://localhost:3000", "http://evil.test", "null"] {
        assert_eq!(of(origin, &[]).header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(of(origin, &["-d", r#"{"job_id":"fail"}"#]).problem().0, 403, "{origin}");
    }
    assert_eq!(service.curl(&["-H", "Host: evil.test"], "/jobs").problem().0, 421, "a name that leads here");
    assert_eq!(service.get("/runs").json(), json!([]));
    let large = service.world.path().join("large");
    fs::write(&large, vec![b' '; (1 << 20) + 1]).unwrap();
    let answer = service.curl(&["--data-binary", &format!("@{}", large.display())], "/runs");
    assert_eq!(answer.problem().0, 413);
    for path in ["/a", "/b?x=1", "/runs/x/y", "/jobs/%2e%2e"] {
        service.get(path);
    }
    service.curl(&["-X", "MAKEUP"], "/jobs");
    let metrics = service.get("/metrics").body;
    let routes: std::collections::BTreeSet<&str> =
        metrics.lines().filter_map(|line| line.split("route=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(routes.into_iter().collect::<Vec<_>>(), ["/jobs", "/runs", "unmatched"], "{metrics}");
    assert!(!metrics.contains("MAKEUP"));
}

#[test]
fn n26_requests_are_logged_as_json() {
    let service = Service::start(&["--dev", "--log=json"]);
    service.get("/jobs?token=s3cret");
    let is_logged = |service: &crate::stories::world::World| {
        let entries = service.serve_log();
        entries.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).any(|entry| {
            entry["msg"] == "request"
                && entry["path"] == "/jobs"
                && entry["method"] == "GET"
                && entry["status"] == 200
        })
    };
    assert!(service.world.eventually(is_logged), "{}", service.world.serve_log());
    assert!(!service.world.serve_log().contains("s3cret"));
}

#[test]
fn n6_n27_and_defect_2_events_come_as_they_happen_and_each_once_to_whoever_comes_again() {
    let service = Service::start(&["--dev"]);
    let run = service.run(r#"{"job_id":"gate"}"#);
    let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
    let mut first = service.stream(&[], &path);
    let begun = first.until("step.log");
    assert_eq!(begun.last().unwrap().data["message"], "waiting");
    assert_eq!(service.get(&format!("/runs/{}", run["id"].as_str().unwrap())).json()["status"], "running");
    // Two more come, one again and again, and the script continues.
    let mut second = service.stream(&[], &path);
    assert_eq!(second.until("step.log"), begun);
    fs::write(service.world.path().join("project/open"), "").unwrap();
    let rest = first.until("run.finish");
    assert_eq!(second.until("run.finish"), rest);
    let all = [begun, rest].concat();
    let expected = [
        ("run.start", ""),
        ("step.start", ""),
        ("step.log", "waiting"),
        ("step.log", "through"),
        ("step.finish", ""),
        ("run.finish", ""),
    ];
    assert_eq!(outline(&all), expected);
    assert!(ids(&all).is_sorted_by(|one, next| one < next));
    for event in &all {
        let data = &event.data;
        assert_eq!(
            (&data["run_id"], &data["job_id"], &data["executor"]),
            (&run["id"], &json!("gate"), &json!("shell"))
        );
        assert!(data["started_at"].is_string() && data["provenance"]["source"].is_object(), "{event:?}");
    }
    assert!(all[1..5].iter().all(|event| event.data["step"] == "000_wait"));
    assert_eq!((&all[4].data["exit_code"], &all[4].data["status"]), (&json!(0), &json!("completed")));
    for (seen, event) in all.iter().enumerate().take(5) {
        let header = format!("Last-Event-ID: {}", event.id);
        assert_eq!(service.stream(&["-H", &header], &path).until("run.finish"), all[seen + 1..]);
        let query = format!("{path}?last_event_id={}", event.id);
        assert_eq!(service.stream(&[], &query).until("run.finish"), all[seen + 1..]);
    }
    assert_eq!(service.curl(&["-H", "Last-Event-ID: x"], &path).problem().1, "invalid Last-Event-ID");
    for gone in ["999999999", "1", &(all[5].id + 1).to_string()] {
        let answer = service.curl(&["-H", &format!("Last-Event-ID: {gone}")], &path);
        assert_eq!((answer.problem().0, answer.problem().1.as_str()), (410, "cursor expired"), "{gone}");
    }
    assert_eq!(service.get(&format!("{path}.ndjson")).problem().1, "extension unsupported");
}

#[test]
fn n7_and_defect_6_runs_and_their_events_outlive_the_server() {
    let mut service = Service::start(&["--dev"]);
    let run = service.run(r#"{"job_id":"demo","args":{"name":"Kim"}}"#);
    let events = service.events(&run);
    let failed = service.run(r#"{"job_id":"fail"}"#);
    let end = service.events(&failed).pop().unwrap();
    assert_eq!((&end.data["status"], &end.data["error"]), (&json!("failed"), &end.data["error"]));
    let before = service.get("/runs").json();
    assert_eq!((&before[0]["status"], &before[1]["status"]), (&json!("failed"), &json!("completed")));
    service.world.end_server("KILL");
    service.serve(&["--dev", "FLWD_EXTENSIONS=export"]).unwrap();
    assert_eq!(service.get("/runs").json(), before);
    assert_eq!(service.events(&run), events);
    let path = format!("/runs/{}/events.ndjson", run["id"].as_str().unwrap());
    let answer = service.get(&path);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), events.len());
    for (line, event) in lines.iter().zip(&events) {
        assert_eq!(
            (&line["sequence"], &line["event"], &line["data"]),
            (&json!(event.id), &json!(event.kind), &event.data)
        );
        assert_eq!(line["timestamp"], event.data["timestamp"]);
    }
    let outputs: Vec<_> =
        events.iter().filter(|event| event.kind == "step.log").map(|event| &event.data["channel"]).collect();
    assert!(outputs.contains(&&json!("stderr")) && outputs.contains(&&json!("stdout")));
}

#[test]
fn defect_7_a_run_is_canceled_with_all_its_processes_and_then_it_is_said() {
    let service = Service::start(&["--dev"]);
    service.job(
        "deep",
        "job: {id: deep}\ninterpreter: bash\n",
        &[("000_deep", "(sleep 300; :) & echo $! >child; echo deep; wait")],
    );
    let run = service.run(r#"{"job_id":"deep"}"#);
    let id = run["id"].as_str().unwrap();
    let mut stream = service.stream(&[], &format!("/runs/{id}/events"));
    stream.until("step.log");
    let child = fs::read_to_string(service.world.path().join("project/child")).unwrap();
    let answer = service.curl(&["-X", "POST"], &format!("/runs/{id}:cancel"));
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("canceled")), "{answer:?}");
    let canceled = stream.until("run.canceled").pop().unwrap();
    assert_eq!((&canceled.data["run_id"], &canceled.data["status"]), (&run["id"], &json!("canceled")));
    assert!(!fs::exists(format!("/proc/{}/root", child.trim())).unwrap(), "a process of the run lives");
    assert_eq!(stream.until("run.finish").len(), 1);
    let again = service.curl(&["-X", "POST"], &format!("/runs/{id}:cancel"));
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("canceled")));
    assert_eq!(service.curl(&["-X", "POST"], "/runs/none:cancel").status, 404);
}

#[test]
fn events_of_all_runs_are_followed() {
    let service = Service::start(&["--dev"]);
    let mut all = service.stream(&[], "/events");
    let run = service.run(r#"{"job_id":"demo","args":{"name":"Kim"}}"#);
    let seen = all.until("run.finish");
    let own = service.events(&run);
    assert_eq!(outline(&seen), outline(&own));
    assert!(seen.iter().all(|event| event.data["run_id"] == run["id"]) && ids(&seen).is_sorted());
    // Who comes later has it too, and who comes again only what follows.
    assert_eq!(service.stream(&[], "/events").until("run.finish"), seen);
    let header = format!("Last-Event-ID: {}", seen[2].id);
    assert_eq!(service.stream(&["-H", &header], "/events").until("run.finish"), seen[3..]);
    let path = format!("/events?run_id={}", run["id"].as_str().unwrap());
    assert_eq!(service.stream(&[], &path).until("run.finish"), own);
    assert_eq!(service.get("/events?run_id=none").problem().0, 404);
}

#[test]
fn a_key_is_one_run_also_when_it_comes_twice_at_once() {
    let service = Service::start(&[&format!("FLWD_JWT_SECRET={JWT_SECRET}")]);
    let (one, other) = (token("runs:read runs:write"), r#"{"job_id":"demo","args":{"name":"y"}}"#);
    let body = r#"{"job_id":"demo","args":{"name":"x"}}"#;
    let with = |options: &[&str]| service.with_token(&one, options, "/runs");
    assert_eq!(with(&["-d", body]).problem().1, "Idempotency-Key header required");
    for wrong in ["short", "abcdefghij 0123456789", "abcdefghij.0123456789"] {
        let header = format!("Idempotency-Key: {wrong}");
        assert_eq!(with(&["-H", &header, "-d", body]).problem().1, "invalid Idempotency-Key header");
    }
    let answers: Vec<_> = std::thread::scope(|scope| {
        let send = || with(&["-H", KEY, "-d", body]);
        let sent: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    assert!(
        answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body),
        "{answers:?}"
    );
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replay") == Some("true"));
    assert_eq!(replayed.count(), 3);
    // The same JSON, written otherwise, is the same request.
    let again = with(&["-H", KEY, "-d", r#" {"args": {"name":"x"}, "job_id" : "demo"}"#]);
    assert_eq!(again.body, answers[0].body);
    assert_eq!(with(&[]).json().as_array().unwrap().len(), 1, "one run");
    let conflict = with(&["-H", KEY, "-d", other]);
    assert_eq!(conflict.problem().1, "idempotency key conflict");
    let hashes = (conflict.json()["stored_sha256"].clone(), conflict.json()["incoming_sha256"].clone());
    assert!(hashes.0.as_str().is_some_and(|hash| hash.len() == 64) && hashes.0 != hashes.1);
    let key = "Idempotency-Key: another-key-0123456789";
    let stored = format!("Idempotency-SHA256: {}", hashes.0.as_str().unwrap());
    assert_eq!(with(&["-H", key, "-H", &stored, "-d", other]).problem().1, "idempotency hash mismatch");
    assert_eq!(with(&["-H", key, "-H", "Idempotency-SHA256: x", "-d", other]).problem().0, 400);
    assert_eq!(with(&["-H", key, "-H", &stored, "-d", body]).status, 201);
    // A key is the caller's own.
    let somebody = jwt(r#"{"alg":"HS256"}"#, r#"{"sub":"other","scope":"runs:write"}"#, JWT_SECRET);
    let own = service.with_token(&somebody, &["-H", KEY, "-d", other], "/runs");
    assert_eq!((own.status, own.header("idempotent-replay")), (201, None));
}

#[test]
fn n28_n29_n30_metrics_have_the_promised_names_and_can_be_left_out() {
    let service = Service::start(&["--dev", "FLWD_VERSION=1.2.3"]);
    let run = service.run(r#"{"job_id":"demo","args":{"name":"x"}}"#);
    let stream = service.stream(&[], &format!("/runs/{}/events", run["id"].as_str().unwrap())).next();
    assert!(stream.is_some());
    let answer = service.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    for line in [
        r#"http_requests_total{code="201",method="POST",route="/runs"} 1"#,
        r#"flwd_build_info{spec_version="1.2.0",version="1.2.3"} 1"#,
        r#"flwd_security_profile{profile="secure"} 1"#,
        "flwd_container_runs_total 0",
        r#"flwd_container_run_seconds_bucket{le="300.0"} 0"#,
        r#"flwd_container_pull_seconds_bucket{le="+Inf"} 0"#,
        "# TYPE flwd_policy_denials_total counter",
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line} in\n{}", answer.body);
    }
    assert!(answer.body.contains("http_request_duration_seconds_bucket{"));
    assert!(
        answer.body.contains("flowd_persistence_latency_ms_count{operation=\"journal_read\""),
        "{}",
        answer.body
    );
    for kind in ["idempotency", "journal"] {
        for name in ["evictions", "eviction_bytes"] {
            let line = format!("flowd_persistence_{name}_total{{kind=\"{kind}\"}} 0");
            assert!(answer.body.lines().any(|found| found == line), "{line} in\n{}", answer.body);
        }
    }
    assert!(service.get("/health/storage").json()["journal_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    // On loopback they are for everybody on this machine, but not for whom a proxy lets in.
    let service = Service::start(&[&format!("FLWD_JWT_SECRET={JWT_SECRET}")]);
    assert_eq!(service.get("/metrics").status, 200);
    let proxied = ["-H", "X-Forwarded-For: 192.0.2.1"];
    assert_eq!(service.curl(&proxied, "/metrics").problem().0, 401);
    assert_eq!(service.with_token(&token(""), &proxied, "/metrics").status, 200);
    assert_eq!(Service::start(&["--dev", "--metrics=false"]).get("/metrics").problem().0, 404);
}

#[test]
fn defect_10_a_laxer_profile_needs_the_operators_leave() {
    let mut service = Service::start(&["--dev"]);
    let ask = |service: &Service, profile: &str| {
        service.post("/runs", &format!(r#"{{"job_id":"fail","requested_security_profile":"{profile}"}}"#))
    };
    for profile in ["permissive", "disabled"] {
        assert_eq!(
            ask(&service, profile).problem(),
            (403, "security profile denied".into(), "profile.denied".into())
        );
    }
    assert_eq!(ask(&service, "secure").json()["security_profile"], "secure");
    service.world.end_server("TERM");
    let bundle = service.world.path().join("project/flwd.policy.yaml");
    fs::write(&bundle, "requests: [permissive]\n").unwrap();
    service.serve(&["--dev", "FLWD_PROFILE=permissive", "--profile", "secure"]).unwrap();
    assert_eq!(ask(&service, "secure").json()["security_profile"], "secure");
    let plain = service.post("/runs", r#"{"job_id":"fail"}"#).json();
    assert_eq!(plain["security_profile"], "permissive", "the environment comes before the flag");
    assert_eq!(ask(&service, "disabled").problem().2, "profile.denied");
}

#[test]
fn n34_a_bundle_is_verified_before_the_server_serves() {
    let mut service = Service::project();
    let (bin, called) = (service.world.path().join("bin/cosign"), service.world.path().join("called"));
    let cosign = |exit: u8| {
        fs::write(&bin, format!("#!/bin/sh\necho \"$*\" >>{}\nexit {exit}\n", called.display())).unwrap();
        fs::set_permissions(&bin, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let bundle = service.world.path().join("rules.yaml");
    let named = format!("FLWD_POLICY_FILE={}", bundle.display());
    fs::write(&bundle, "verify_signatures: disabled\n").unwrap();
    cosign(1);
    assert!(service.serve(&["--dev", &named]).unwrap_err().contains("is not verified: cosign exits with 1"));
    cosign(0);
    service.serve(&["--dev", &named]).unwrap();
    let calls = fs::read_to_string(&called).unwrap();
    assert_eq!(calls, format!("verify --keyless {0}\n", bundle.display()).repeat(2));
    service.world.end_server("TERM");
    for (text, said) in
        [("verify_signatures: perhaps\n", "perhaps"), ("ceiling: 1\n", "ceiling"), ("a: [", "rules.yaml")]
    {
        fs::write(&bundle, text).unwrap();
        let ended = service.serve(&["--dev", "--profile", "permissive", &named]).unwrap_err();
        assert!(ended.contains(said), "{ended}");
    }
    let ended =
        service.serve(&["--dev", "--profile", "permissive", "FLWD_POLICY_FILE=/none.yaml"]).unwrap_err();
    assert!(ended.contains("/none.yaml"), "{ended}");
    assert!(service.serve(&["--dev", "--profile", "lax"]).unwrap_err().contains("invalid security profile"));
}

#[test]
fn n58_without_a_container_engine_the_server_does_not_start() {
    let mut service = Service::project();
    let empty = service.world.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let ended = service.serve(&["--dev", &format!("PATH={}", empty.display())]).unwrap_err();
    assert!(ended.contains("container.runtime.unavailable"), "{ended}");
}

#[test]
fn defect_12_long_lines_and_bytes_that_are_no_text_come_in_bounded_pieces() {
    let service = Service::start(&["--dev"]);
    let script = "head -c 300000 /dev/zero | tr '\\0' x; echo; printf 'a\\377b\\n'; echo end";
    service.job("long", "job: {id: long}\ninterpreter: bash\n", &[("000_long", script)]);
    let events = service.events(&service.run(r#"{"job_id":"long"}"#));
    let texts: Vec<&str> =
        outline(&events).into_iter().filter(|(kind, _)| *kind == "step.log").map(|(_, text)| text).collect();
    assert!(texts.iter().all(|text| text.len() <= 64 << 10), "bounded");
    assert_eq!(texts.concat(), format!("{}a\u{fffd}bend", "x".repeat(300_000)));
}

#[test]
fn n36_n37_n65_a_denied_job_does_not_start_and_everybody_hears_of_it() {
    let service = Service::start(&["--dev"]);
    let config = "job: {id: opened}\nexecutor: container\ninterpreter: container:localhost/none:1\ncontainer: {network: bridge}\n";
    service.job("opened", config, &[("000_main", "echo opened")]);
    let mut all = service.stream(&[], "/events");
    let answer = service.post("/runs", r#"{"job_id":"opened"}"#);
    assert_eq!(
        answer.problem(),
        (422, "policy override denied".into(), "policy.denied".into()),
        "{answer:?}"
    );
    let run = answer.json()["run_id"].as_str().unwrap().to_owned();
    let seen = all.until("run.finish");
    let decision = seen.iter().find(|event| event.data["decision"] == "denied").unwrap();
    assert_eq!(decision.kind, "policy.decision");
    let data = &decision.data;
    assert_eq!(
        (&data["run_id"], &data["code"], &data["subject"]),
        (&json!(run), &json!("policy.denied"), &json!("container.network"))
    );
    assert!(
        data["reason"].as_str().is_some_and(|reason| reason.contains("bridge"))
            && data["security_profile"] == "secure"
    );
    assert!(seen.iter().all(|event| event.kind != "step.start"), "{seen:?}");
    let ended = service.get(&format!("/runs/{run}")).json();
    assert_eq!((&ended["status"], &ended["executor"]), (&json!("failed"), &json!("container")));
    let counted = r#"flwd_policy_denials_total{reason="policy.denied"} 1"#;
    assert!(service.get("/metrics").body.lines().any(|line| line == counted));
}

#[test]
fn n40_and_defect_6_sources_are_added_where_they_may_be_and_outlive_the_server() {
    let mut service = Service::start(&["--dev"]);
    let extras = service.world.path().join("extra-scripts/hello/config.d");
    fs::create_dir_all(&extras).unwrap();
    fs::write(extras.join("config.yaml"), "job: {id: hello}\ninterpreter: bash\n").unwrap();
    let body = r#"{"type":"local","name":"extras","ref":"../extra-scripts"}"#;
    assert_eq!(service.post("/sources", body).problem().2, "source.not.allowed");
    assert_eq!(service.get("/sources").json(), json!([]));
    for (wrong, title) in [
        ("{}", "type is required"),
        (r#"{"type":"ftp"}"#, "unsupported source type"),
        (r#"{"type":"local"}"#, "ref is required for local sources"),
        (r#"{"type":"local","ref":"x","colour":1}"#, "invalid request body"),
    ] {
        let answer = service.post("/sources", wrong);
        assert_eq!((answer.problem().0, answer.problem().1.as_str()), (400, title), "{wrong}");
    }
    service.world.end_server("TERM");
    service.serve(&["--dev", "--allow-local-root", "../extra-scripts"]).unwrap();
    let added = service.post("/sources", body);
    assert_eq!(
        (added.status, &added.json()["name"], &added.json()["type"]),
        (201, &json!("extras"), &json!("local")),
        "{added:?}"
    );
    assert_eq!(service.post("/sources", body).status, 200);
    service.world.end_server("KILL");
    service.serve(&["--dev", "--allow-local-root", "../extra-scripts"]).unwrap();
    assert_eq!(service.get("/sources").json().as_array().unwrap().len(), 1);
    assert_eq!(service.get("/sources/extras").json()["ref"], "../extra-scripts");
    assert_eq!(service.curl(&["-X", "DELETE"], "/sources/extras").status, 204);
    for method in ["GET", "DELETE"] {
        assert_eq!(service.curl(&["-X", method], "/sources/extras").problem().1, "source not found");
    }
}
