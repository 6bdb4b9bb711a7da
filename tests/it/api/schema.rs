//! Every route and every shape, compared with the document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::contract::Contract;
use super::{Answer, Api, Door};

/// Routes of which no good answer is read here: the run has no artifact, and the news of all runs do not end.
const WITHOUT_SUCCESS: [&str; 2] = ["GET /api/v1/runs/{run}/artifacts/{path}", "GET /api/v1/events"];

/// A public key.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBA/EfD0FVKLsQOOCjylhIuMxOmQkbHfZagFrYOIUFuw kim";

/// What is asked of every route: method, target, body, status. `W` is another word for each door.
#[expect(clippy::too_many_lines, reason = "a table of requests")]
fn requests() -> Vec<(&'static str, &'static str, Value, u16)> {
    let none = Value::Null;
    vec![
        ("GET", "/openapi.json", none.clone(), 200),
        ("GET", "/repos", none.clone(), 200),
        ("GET", "/repos?limit=1", none.clone(), 200),
        ("POST", "/repos", json!({"name": "W", "description": "made", "visibility": "public"}), 201),
        ("POST", "/repos", json!({"name": "W"}), 409),
        ("POST", "/repos", json!({"name": "../x"}), 400),
        ("GET", "/repos/W", none.clone(), 200),
        ("GET", "/repos/foo", none.clone(), 200),
        ("GET", "/repos/absent", none.clone(), 404),
        ("PATCH", "/repos/W", json!({"description": null}), 200),
        ("PATCH", "/repos/W", json!({"color": 1}), 400),
        ("DELETE", "/repos/W", none.clone(), 204),
        ("DELETE", "/repos/W", none.clone(), 404),
        ("GET", "/runs", none.clone(), 200),
        (
            "GET",
            "/runs?repo=foo&branch=main&event=push&state=finished&outcome=passed&limit=1",
            none.clone(),
            200,
        ),
        ("GET", "/runs?repo=absent", none.clone(), 404),
        ("GET", "/runs/foo%231", none.clone(), 200),
        ("GET", "/runs/foo%2399", none.clone(), 404),
        ("GET", "/runs/foo%231/wait?timeout_s=0", none.clone(), 200),
        ("GET", "/runs/foo%231/wait?timeout_s=301", none.clone(), 400),
        ("POST", "/runs/foo%231/cancel", none.clone(), 409),
        ("GET", "/runs/foo%231/artifacts", none.clone(), 200),
        ("GET", "/runs/foo%231/artifacts/x", none.clone(), 404),
        ("GET", "/runs/foo%231/jobs/test/log", none.clone(), 200),
        (
            "GET",
            "/runs/foo%231/jobs/test/log?step=1&attempt=1&format=ndjson&timestamps=0&follow=1",
            none.clone(),
            200,
        ),
        ("GET", "/runs/foo%231/jobs/test/log?format=pdf", none.clone(), 400),
        ("GET", "/runs/foo%231/jobs/absent/log", none.clone(), 404),
        ("GET", "/runs/foo%231/events", none.clone(), 200),
        ("GET", "/runs/foo%231/events?after=999", none.clone(), 400),
        ("GET", "/runs/foo%2399/events", none.clone(), 404),
        ("GET", "/events?repo=absent", none.clone(), 404),
        ("POST", "/watches", json!({"name": "W", "url": "https://git.invalid/x"}), 201),
        ("POST", "/watches", json!({"name": "W", "url": "https://git.invalid/x"}), 409),
        ("POST", "/watches", json!({"name": "W"}), 400),
        ("GET", "/watches", none.clone(), 200),
        ("POST", "/watches/W/now", none.clone(), 202),
        ("POST", "/watches/absent/now", none.clone(), 404),
        ("DELETE", "/watches/W", none.clone(), 204),
        ("DELETE", "/watches/W", none.clone(), 404),
        ("GET", "/notifications", none.clone(), 200),
        ("GET", "/notifications?state=lost", none.clone(), 400),
        ("POST", "/notifications/absent/retry", none.clone(), 404),
        ("POST", "/plans", json!({"repo": "foo", "event": "push"}), 200),
        ("POST", "/plans", json!({"repo": "foo", "color": 1}), 400),
        ("POST", "/plans", json!({"job": "absent"}), 404),
        ("GET", "/jobs", none.clone(), 200),
        ("POST", "/runs", json!({"repo": "foo", "job": "test"}), 201),
        ("POST", "/runs", json!({"repo": "foo", "color": 1}), 400),
        ("POST", "/runs", json!({"repo": "absent"}), 404),
        ("POST", "/runs/foo%231/rerun", none.clone(), 201),
        ("POST", "/runs/foo%231/rerun", json!({"color": 1}), 400),
        ("POST", "/runs/foo%2399/rerun", none.clone(), 404),
        ("GET", "/audit?action=push.accepted&limit=1", none.clone(), 200),
        ("GET", "/audit", none.clone(), 200),
        ("GET", "/audit?since=yesterday", none.clone(), 400),
        ("POST", "/tokens", json!({"name": "W", "scopes": ["runs:read"], "repos": ["foo"]}), 201),
        ("POST", "/tokens", json!({"name": "W", "scopes": ["runs:read"]}), 409),
        ("POST", "/tokens", json!({"name": "x", "scopes": ["runs:reed"]}), 400),
        ("GET", "/tokens", none.clone(), 200),
        ("DELETE", "/tokens/W", none.clone(), 204),
        ("DELETE", "/tokens/W", none.clone(), 404),
        ("POST", "/users", json!({"name": "kim"}), 201),
        ("POST", "/users", json!({"name": "kim"}), 409),
        ("POST", "/users", json!({"name": "../k"}), 400),
        ("POST", "/users", json!({"user": "kim"}), 400),
        ("POST", "/keys", json!({"user": "kim", "key": KEY, "repos": ["foo"], "read": true}), 201),
        ("POST", "/keys", json!({"user": "kim", "key": KEY}), 409),
        ("POST", "/keys", json!({"user": "absent", "key": KEY}), 404),
        ("POST", "/keys", json!({"user": "kim", "key": "ssh-rsa AAAA"}), 422),
        ("GET", "/users", none.clone(), 200),
        ("GET", "/keys", none.clone(), 200),
        ("DELETE", "/keys/SHA256%3A2iRnusdZA", none.clone(), 204),
        ("DELETE", "/keys/SHA256%3A2iRnusdZA", none.clone(), 404),
        ("DELETE", "/users/kim", none.clone(), 204),
        ("DELETE", "/users/kim", none.clone(), 404),
        ("DELETE", "/openapi.json", none.clone(), 405),
        ("GET", "/nothing", none, 404),
    ]
}

fn ask(api: &Api, door: Door, (method, target, body): (&str, &str, &Value)) -> Answer {
    match body.is_null() {
        true => api.send(door, (method, target), &[], b""),
        false => api.with_json(door, method, target, body),
    }
}

/// The same requests, each for one word.
fn requests_with(word: &str) -> impl Iterator<Item = (&'static str, String, Value, u16)> {
    let word = word.to_owned();
    requests().into_iter().map(move |(method, target, mut body, status)| {
        if body["name"] == "W" {
            body["name"] = json!(word);
        }
        (method, target.replace('W', &word), body, status)
    })
}

#[test]
fn every_answer_of_every_route_is_what_the_document_says() {
    let api = Api::with_notifications();
    let door = Door::Socket;
    for (method, target, body, status) in requests_with("made") {
        let answer = ask(&api, door, (method, &target, &body));
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{method} {target} {body}: {text}");
    }
    api.shell("mkdir -p scripts/demo");
    let source = json!({ "type": "local", "ref": "demo" });
    for (method, target, body, status) in [
        ("POST", "/sources", &source, 201),
        ("POST", "/sources", &source, 200),
        ("POST", "/sources", &json!({ "type": "local", "ref": "/etc" }), 403),
        ("POST", "/sources", &json!({ "type": "local", "ref": "demo", "reff": 1 }), 400),
        ("GET", "/sources", &Value::Null, 200),
        ("GET", "/sources/demo", &Value::Null, 200),
        ("GET", "/sources/%2e%2e", &Value::Null, 404),
        ("DELETE", "/sources/demo", &Value::Null, 204),
        ("DELETE", "/sources/demo", &Value::Null, 404),
    ] {
        let answer = ask(&api, door, (method, target, body));
        assert_eq!(
            answer.status,
            status,
            "{method} {target} {body}: {}",
            String::from_utf8_lossy(&answer.body)
        );
    }
    let log = "/runs/foo%231/jobs/test/log";
    for target in ["/openapi.json", log] {
        let tag = api.get(door, target).header("etag").unwrap().to_owned();
        assert_eq!(api.send(door, ("GET", target), &[("if-none-match", &tag)], b"").status, 304, "{target}");
    }
    for (range, status) in [("bytes=0-2", 206), ("bytes=999-", 416)] {
        assert_eq!(api.send(door, ("GET", log), &[("range", range)], b"").status, status, "{range}");
    }
    let lines = api.send(door, ("GET", "/runs/foo%231/events"), &[("accept", "application/x-ndjson")], b"");
    let events = lines.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    assert_eq!(api.get(door, &format!("/runs/foo%231/events?after={events}")).status, 204);
    let message = api.get(door, "/notifications").json()[0]["id"].as_str().unwrap().to_owned();
    let again = ask(&api, door, ("POST", &format!("/notifications/{message}/retry"), &Value::Null));
    assert_eq!(again.status, 202);
    api.shell(
        "cd foo && sed -i 's/echo tested/sleep 100/' .quire/ci.fnl && git commit -qam slow && git push -q origin HEAD:main 2>&1",
    );
    let run = api.get(door, "/runs?repo=foo&limit=1").json()[0]["id"].as_str().unwrap().to_owned();
    let wait = format!("/runs/{run}/wait");
    assert_eq!(api.get(door, &format!("{wait}?timeout_s=0")).status, 202);
    assert_eq!(api.post(door, &format!("/runs/{run}/cancel"), &json!({})).status, 202);
    let ended = api.get(door, &wait);
    assert_eq!((ended.status, ended.json()["outcome"].as_str()), (200, Some("cancelled")));
    let known = WITHOUT_SUCCESS.map(str::to_owned);
    let all: BTreeSet<String> =
        api.contract.routes().map(|(method, path)| format!("{method} {path}")).collect();
    let seen = api.contract.succeeded();
    let untried: Vec<&String> = all.difference(&seen).filter(|route| !known.contains(route)).collect();
    assert!(untried.is_empty(), "no good answer was seen of {untried:?}: add requests to this test");
}

#[test]
fn over_tcp_who_has_no_token_reads_what_is_public() {
    let api = Api::new();
    for (method, target, body, status) in requests_with("absent") {
        let answer = ask(&api, Door::Tcp, (method, &target, &body));
        let path = target.split(['?', '/']).nth(1).unwrap_or_default();
        let is_public = method == "GET"
            && !matches!(path, "watches" | "notifications" | "audit" | "jobs" | "tokens" | "users" | "keys");
        let has_status = match is_public {
            true => answer.status == status || (target == "/repos/absent" && answer.status == 404),
            false => answer.status == 401 || (matches!(status, 400 | 405) && answer.status == status),
        };
        assert!(has_status, "{method} {target} {body}: {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(
            answer.status == 401,
            answer.header("www-authenticate") == Some("Bearer"),
            "{method} {target}"
        );
    }
    assert_eq!(api.shell("quire repo list | wc -l; quire watch list --json"), "1\n[]\n");
}

#[test]
fn every_parameter_and_answer_of_the_document_has_a_schema() {
    let document = serde_json::to_value(quire::http::openapi()).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, route) in methods.as_object().unwrap() {
            let parameters = route["parameters"].as_array().into_iter().flatten();
            let named = parameters.filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(named, path.matches('{').count(), "{method} {path}");
            for parameter in route["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["schema"].is_object(), "{method} {path}: {parameter}");
            }
            assert!(route["operationId"].is_string() && route["summary"].is_string(), "{method} {path}");
        }
    }
}

#[test]
fn an_answer_that_the_document_does_not_describe_is_found() {
    let contract = Contract::new(serde_json::to_value(quire::http::openapi()).unwrap());
    let answer = |status: u16, kind: &str, body: &Value| Answer {
        status,
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: body.to_string().into_bytes(),
    };
    let check = |status, kind: &str, body: &Value| {
        contract.check("GET", "/api/v1/runs/foo%231/artifacts", &answer(status, kind, body))
    };
    let artifact = json!({"path": "a", "size_bytes": 1, "sha256": "0", "job": "t", "expires_at": "2026-01-01T00:00:00.000Z"});
    let problem = json!({"type": "/problems/run.not-found", "title": "Not Found", "status": 404, "detail": "x", "code": "run.not-found"});
    check(200, "application/json", &json!([artifact])).unwrap();
    check(404, "application/problem+json", &problem).unwrap();
    let mut more = artifact.clone();
    more["color"] = json!(1);
    let mut less = artifact;
    less.as_object_mut().unwrap().remove("job");
    for (status, kind, body) in [
        (200, "application/json", json!([more])),
        (200, "application/json", json!([less])),
        (200, "application/json", json!({})),
        (200, "text/html", json!([])),
        (201, "application/json", json!([])),
        (302, "application/json", json!([])),
        (404, "application/json", problem.clone()),
        (409, "application/problem+json", problem),
    ] {
        assert!(check(status, kind, &body).is_err(), "{status} {kind} {body}");
    }
}
