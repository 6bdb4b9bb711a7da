//! Operations over the Unix socket, and what each answer over TCP carries.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::{PATIENCE, Place, connect_unix, status};

/// The status of an answer, its type, and its body.
struct Answer {
    status: u16,
    kind: String,
    body: Value,
}

impl Place {
    /// What the server answers to a body that is sent to a route of the socket.
    fn post(&self, route: &str, kind: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!(
            "POST {route} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}"
        );
        let mut stream = connect_unix(&self.data().join("server.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        Answer {
            status: status(&answer).parse().unwrap(),
            kind: kind.to_owned(),
            body: serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}")),
        }
    }

    fn operate(&self, route: &str, request: &Value) -> Answer {
        self.post(route, "application/json", &request.to_string())
    }
}

fn watch(name: &str, token: Option<&str>) -> Value {
    let url = "https://git.invalid/x";
    json!({
        "name": name, "url": url, "branch": "main", "every_ms": 60_000, "allow_private": false, "token": token,
        "first_run": true
    })
}

#[test]
fn what_is_not_done_is_a_problem_with_a_code() {
    let place = Place::new();
    place.push();
    let none: Option<&str> = None;
    let cases = [
        ("/runs/cancel", json!({"run": "foo#1", "by": none}), 409, "run.finished"),
        ("/runs/cancel", json!({"run": "foo#9"}), 404, "run.not-found"),
        ("/runs/cancel", json!({"run": "foo"}), 400, "request.invalid"),
        ("/runs/cancel", json!({"run": 1}), 400, "request.invalid"),
        ("/runs/cancel", json!({"run": "foo#1", "force": true}), 400, "request.invalid"),
        ("/runs/rerun", json!({}), 400, "request.invalid"),
        ("/runs/rerun", json!({"run": "nothing#1"}), 404, "run.not-found"),
        ("/runs/wait", json!(null), 400, "request.invalid"),
        ("/runs/wait", json!({"run": "../x#1"}), 400, "request.invalid"),
        ("/watches", json!({"watches": [watch("a//b", none)]}), 400, "request.invalid"),
        ("/watches", json!({"watches": [watch("foo", none)]}), 409, "watch.refused"),
        ("/watches", json!({"watches": [watch("a", Some("undeclared"))]}), 400, "watch.secret"),
        ("/watches/remove", json!({"name": "absent"}), 404, "watch.not-found"),
        ("/watches/now", json!({"name": "absent"}), 404, "watch.not-found"),
        ("/notifications/retry", json!({"id": "absent"}), 404, "notification.not-found"),
    ];
    for (route, request, status, code) in cases {
        let answer = place.operate(route, &request);
        let shown = format!("{route} {request}: {}", answer.body);
        assert_eq!((answer.status, answer.kind.as_str()), (status, "application/problem+json"), "{shown}");
        assert_eq!(answer.body["code"], code, "{shown}");
        assert_eq!(answer.body["status"], status, "{shown}");
        assert!(!answer.body["detail"].as_str().unwrap().is_empty(), "{shown}");
    }
    for (kind, body, status, code) in [
        ("application/json", "{\"run\":", 400, "request.invalid"),
        ("application/json", "", 400, "request.invalid"),
        ("text/plain", "{\"run\":\"foo#1\"}", 415, "request.type"),
    ] {
        let answer = place.post("/runs/rerun", kind, body);
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{}", answer.body);
    }
    let runs = place.shell("quire runs --json");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&runs).unwrap().len(), 1, "nothing was queued");
}

#[test]
fn an_operation_is_done_whole_or_not_at_all() {
    let place = Place::new();
    place.push();
    let waited = place.operate("/runs/wait", &json!({"run": "foo#1"}));
    assert_eq!((waited.status, waited.body["ended"].is_string()), (200, true));
    let again = place.operate("/runs/rerun", &json!({"run": "foo#1", "by": "ann"}));
    assert_eq!((again.status, &again.body["repo"], &again.body["number"]), (200, &json!("foo"), &json!(2)));
    let added = place.operate("/watches", &json!({"watches": [watch("one", None)]}));
    assert_eq!((added.status, &added.body["names"]), (200, &json!(["one"])));
    let both = place.operate("/watches", &json!({"watches": [watch("two", None), watch("one", None)]}));
    assert_eq!((both.status, &both.body["code"]), (409, &json!("watch.exists")));
    let listed = place.shell("quire watch list --json");
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.iter().map(|watch| &watch["name"]).collect::<Vec<_>>(), ["one"]);
}

#[test]
fn a_frame_above_the_limit_is_refused_before_it_is_sent() {
    let place = Place::new();
    for route in ["/intents", "/runs/cancel"] {
        let mut stream = connect_unix(&place.data().join("server.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("POST {route} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json");
        let length = (64 << 20) + 1;
        stream.write_all(format!("{head}\r\ncontent-length: {length}\r\n\r\n{{").as_bytes()).unwrap();
        let mut answer = [0; 16];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer[9..12], b"413", "{route}");
    }
}

#[test]
fn every_answer_over_tcp_is_inert_and_kept_nowhere() {
    let place = Place::new();
    place.push();
    let host = place.address();
    for (expected, method, path, host) in [
        ("200", "GET", "/foo/run/1", host.as_str()),
        ("200", "GET", "/healthz", &host),
        ("404", "GET", "/foo/run/9", &host),
        ("200", "GET", "/", &host),
        ("405", "POST", "/healthz", &host),
        ("404", "POST", "/runs/cancel", &host),
        ("421", "GET", "/healthz", "evil.example"),
        ("421", "GET", "/foo/run/1", "evil.example"),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = place.ask(request.as_bytes());
        let is_expected = status(&answer) == expected || (path == "/runs/cancel" && status(&answer) == "405");
        assert!(is_expected, "{method} {path}: {answer}");
        for header in [
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(answer.contains(header), "{method} {path} has no {header}: {answer}");
        }
    }
}
