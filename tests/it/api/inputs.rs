//! Requests that are wrong, over both doors: each is one problem that says why, and nothing is done.

use serde_json::json;

use super::client::request;
use super::{Api, Door};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// The status and the code of an answer.
fn sent(
    api: &Api,
    door: Door,
    (method, target): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String) {
    let answer = api.send(door, (method, target), headers, body);
    (answer.status, answer.code())
}

/// What is no id of anything.
const NO_IDS: &[&str] = &[
    "%00",
    "..",
    "%2e%2e",
    "%2E%2E%2Fx",
    "%ff",
    "%",
    "%zz",
    "foo%23",
    "foo%230",
    "foo%23-1",
    "foo%23x",
    "%23",
    "foo%2F%23bar",
    "foo%2399999999999999999999",
    "-",
    "%20",
    "%0d%0aset-cookie:%20x",
    "%1b[31m",
    "🦀",
    "*",
    ";id",
];

/// Routes with an id.
const WITH_ID: &[(&str, &str)] = &[
    ("GET", "/runs/ID"),
    ("GET", "/runs/ID/wait?timeout_s=0"),
    ("GET", "/runs/ID/artifacts"),
    ("GET", "/runs/foo%231/artifacts/ID"),
    ("GET", "/runs/ID/events"),
    ("GET", "/runs/ID/jobs/test/log"),
    ("GET", "/runs/foo%231/jobs/ID/log"),
    ("POST", "/runs/ID/cancel"),
    ("GET", "/repos/ID"),
    ("DELETE", "/repos/ID"),
    ("DELETE", "/watches/ID"),
    ("POST", "/watches/ID/now"),
    ("POST", "/notifications/ID/retry"),
];

#[test]
fn an_id_that_is_none_is_a_problem_of_the_caller() {
    let api = Api::new();
    let long = "a".repeat(10_000);
    for id in NO_IDS.iter().copied().chain([long.as_str()]) {
        for &(method, route) in WITH_ID {
            for door in Door::BOTH {
                let target = route.replace("ID", id);
                let (status, code) = sent(&api, door, (method, &target), &[], b"");
                let is_change_without_token = door == Door::Tcp && method != "GET" && status == 401;
                let is_refused = (matches!(status, 400 | 404) || is_change_without_token) && !code.is_empty();
                assert!(is_refused, "{door:?} {method} {route} {id:.60}: {status} {code}");
            }
        }
    }
    for target in
        ["/runs/", "/runs//", "//runs", "/runs/foo%231/", "/runs/x/y/z", "/repos/foo/bar", "/", "/../healthz"]
    {
        for door in Door::BOTH {
            assert_eq!(
                sent(&api, door, ("GET", target), &[], b""),
                (404, "route.not-found".into()),
                "{target}"
            );
        }
    }
}

#[test]
fn a_query_that_is_wrong_is_named() {
    let api = Api::new();
    for (target, named) in [
        ("/runs?color=red", "color"),
        ("/runs?limit=1&limit=2", "limit"),
        ("/runs?repo=foo&repo=foo", "repo"),
        ("/runs?limit=0", "limit"),
        ("/runs?limit=201", "limit"),
        ("/runs?limit=-1", "limit"),
        ("/runs?limit=1e3", "limit"),
        ("/runs?limit=99999999999999999999", "limit"),
        ("/runs?limit=", "limit"),
        ("/runs?state=lost", "state"),
        ("/runs?outcome=Passed", "outcome"),
        ("/runs?event=", "event"),
        ("/runs?sha=abc", "sha"),
        ("/runs?since=yesterday", "since"),
        ("/runs?until=2026-13-01T00:00:00Z", "until"),
        ("/runs?ref=main&branch=main", "ref"),
        ("/runs?repo=..", ".."),
        ("/runs/foo%231/wait?timeout_s=-1", "timeout_s"),
        ("/runs/foo%231/wait?timeout_s=0.5", "timeout_s"),
        ("/runs/foo%231/wait?timeout_s=18446744073709551616", "timeout_s"),
        ("/repos?cursor=x&color=1", "color"),
        ("/runs/foo%231/events?after=-1", "after"),
        ("/runs/foo%231/events?after=1&after=2", "after"),
        ("/runs/foo%231/jobs/test/log?follow=yes", "follow"),
        ("/runs/foo%231/jobs/test/log?step=4294967296", "step"),
        ("/events?color=red", "color"),
        ("/notifications?state=gone", "state"),
    ] {
        for door in Door::BOTH {
            if door == Door::Tcp && target.starts_with("/notifications") {
                continue;
            }
            let answer = api.get(door, target);
            let text = answer.json()["detail"].to_string();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "request.invalid"),
                "{door:?} {target}: {text}"
            );
            assert!(text.contains(named), "{door:?} {target}: {text}");
        }
    }
}

#[test]
fn a_cursor_is_one_of_its_list() {
    let api = Api::new();
    api.shell("quire repo new bar && cd foo && git commit -q --allow-empty -m two && git push -q -o ci.wait origin HEAD:main 2>&1");
    for door in Door::BOTH {
        let page = api.get(door, "/runs?limit=1");
        let link = page.header("link").expect("there is another page");
        let next = link.trim_start_matches("</api/v1").split('>').next().unwrap().to_owned();
        let cursor = next.split("cursor=").nth(1).unwrap().to_owned();
        let second = api.get(door, &next);
        assert_eq!(
            (page.json()[0]["number"].clone(), second.json()[0]["number"].clone()),
            (json!(2), json!(1))
        );
        assert_eq!(second.header("link"), None);
        let forged = format!("{}{}", if cursor.starts_with('B') { 'A' } else { 'B' }, &cursor[1..]);
        let long = "A".repeat(10_000);
        for (list, cursor) in [
            ("/repos?cursor=", cursor.as_str()),
            ("/runs?repo=foo&cursor=", &cursor),
            ("/runs?cursor=", &forged),
            ("/runs?cursor=", ""),
            ("/runs?cursor=", "1"),
            ("/runs?cursor=", "%ff"),
            ("/runs?cursor=", "' OR 1=1 --"),
            ("/runs?cursor=", &long),
        ] {
            let target = format!("{list}{}", cursor.replace(' ', "%20"));
            let (status, code) = sent(&api, door, ("GET", &target), &[], b"");
            assert_eq!((status, code.as_str()), (400, "cursor.invalid"), "{door:?} {list} {cursor:.60}");
        }
    }
}

/// Bodies that are not what a route takes.
fn wrong_bodies() -> Vec<(&'static str, String)> {
    let deep = format!("{{\"name\":{}", "[".repeat(100_000));
    let deep_but_closed = format!("{{\"name\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
    let long = format!("{{\"name\":\"{}\"}}", "a".repeat(100_000));
    let huge =
        format!("{{\"name\":\"x\",\"url\":\"https://git.invalid/x\",\"every_s\":{}}}", "9".repeat(4_000));
    let watch =
        |every: &str| format!("{{\"name\":\"x\",\"url\":\"https://git.invalid/x\",\"every_s\":{every}}}");
    vec![
        ("/repos", String::new()),
        ("/repos", "{".to_owned()),
        ("/repos", "{}".to_owned()),
        ("/repos", "[]".to_owned()),
        ("/repos", "[\"x\",null,\"public\"]".to_owned()),
        ("/repos", "null".to_owned()),
        ("/repos", "\"x\"".to_owned()),
        ("/repos", "{\"name\":1}".to_owned()),
        ("/repos", "{\"name\":null}".to_owned()),
        ("/repos", "{\"name\":\"x\",\"color\":1}".to_owned()),
        ("/repos", "{\"name\":\"x\",\"name\":\"y\"}".to_owned()),
        ("/repos", "{\"name\":\"x\"} {\"name\":\"y\"}".to_owned()),
        ("/repos", "{\"name\":\"x\",}".to_owned()),
        ("/repos", "\u{feff}{\"name\":\"x\"}".to_owned()),
        ("/repos", "{\"name\":\"\\ud800\"}".to_owned()),
        ("/repos", "{\"name\":\"x\",\"visibility\":\"secret\"}".to_owned()),
        ("/repos", "{\"name\":\"x\\u0000\"}".to_owned()),
        ("/repos", "name=x".to_owned()),
        ("/repos", deep),
        ("/repos", deep_but_closed),
        ("/repos", long),
        ("/watches", huge),
        ("/watches", watch("-1")),
        ("/watches", watch("1e999")),
        ("/watches", watch("1.5")),
        ("/watches", watch("18446744073709551616")),
        ("/watches", watch("\"60\"")),
        ("/watches", "{\"url\":\"\"}".to_owned()),
        ("/runs/foo%231/cancel", "{\"force\":true}".to_owned()),
        ("/runs/foo%231/cancel", "[]".to_owned()),
    ]
}

#[test]
fn a_body_that_is_wrong_is_refused_and_nothing_is_made() {
    let api = Api::new();
    let door = Door::Socket;
    for (target, body) in wrong_bodies() {
        let (status, code) = sent(&api, door, ("POST", target), JSON, body.as_bytes());
        assert_eq!((status, code.as_str()), (400, "request.invalid"), "{target} {body:.80}");
    }
    for every in [0, 604_801, u64::MAX] {
        let watch = json!({"name": "x", "url": "https://git.invalid/x", "every_s": every}).to_string();
        let refused = sent(&api, door, ("POST", "/watches"), JSON, watch.as_bytes());
        assert_eq!(refused, (422, "request.refused".into()), "{every}");
    }
    assert_eq!(sent(&api, door, ("POST", "/repos"), JSON, b"{\"name\":\"\xff\"}").0, 400);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application",
        "",
    ] {
        let asked = sent(&api, door, ("POST", "/repos"), &[("content-type", kind)], b"{\"name\":\"x\"}");
        assert_eq!(asked, (415, "request.type".into()), "{kind}");
    }
    assert_eq!(sent(&api, door, ("POST", "/repos"), &[], b"{\"name\":\"x\"}"), (415, "request.type".into()));
    let large = vec![b' '; (1 << 20) + 1];
    assert_eq!(sent(&api, door, ("POST", "/repos"), JSON, &large), (413, "request.too-large".into()));
    let description = json!({"name": "x", "description": "two\nlines"}).to_string();
    assert_eq!(
        sent(&api, door, ("POST", "/repos"), JSON, description.as_bytes()),
        (422, "request.refused".into())
    );
    for name in ["queue", "a/runs", "api", "problems/x"] {
        let name = json!({"name": name}).to_string();
        for asked in [("POST", "/repos"), ("PATCH", "/repos/foo")] {
            let refused = sent(&api, door, asked, JSON, name.as_bytes());
            assert_eq!(refused, (409, "repo.refused".into()), "{asked:?} {name}");
        }
    }
    let branch = json!({"description": "other", "default_branch": "none"}).to_string();
    let refused = sent(&api, door, ("PATCH", "/repos/foo"), JSON, branch.as_bytes());
    assert_eq!(refused, (422, "branch.not-found".into()));
    assert_eq!(api.get(door, "/repos/foo").json()["description"], json!(null));
    let names: Vec<_> =
        api.get(door, "/repos").json().as_array().unwrap().iter().map(|repo| repo["name"].clone()).collect();
    assert_eq!((names, api.get(door, "/watches").json()), (vec![json!("foo")], json!([])));
}

#[test]
fn a_pipeline_in_a_language_of_another_version_is_refused_alike_on_every_way() {
    let api = Api::new();
    api.shell(
        "cd foo && git checkout -q -b lua && git mv .quire/ci.fnl .quire/ci.lua && git commit -qm lua &&
         git push -q -o ci.wait origin HEAD:lua 2>&1",
    );
    let run = api.get(Door::Socket, "/runs/foo%232").json();
    assert_eq!((&run["outcome"], &run["reason"]["code"]), (&json!("failed"), &json!("pipeline.broken")));
    let asked = json!({"repo": "foo", "ref": "lua"});
    let plan = api.post(Door::Socket, "/plans", &asked).json();
    assert_eq!((&plan["jobs"], &plan["diagnostics"][0]["file"]), (&json!([]), &json!(".quire/ci.lua")));
    let refused = api.post(Door::Socket, "/runs", &asked);
    assert_eq!((refused.status, refused.code().as_str()), (422, "pipeline.broken"));
    assert_eq!(refused.json()["errors"][0]["message"], plan["diagnostics"][0]["message"]);
    assert_eq!(api.get(Door::Socket, "/runs").json().as_array().unwrap().len(), 2, "nothing was recorded");
}

#[test]
fn methods_and_headers_that_are_wrong_are_refused() {
    let api = Api::new();
    for door in Door::BOTH {
        let head = api.send(door, ("HEAD", "/runs"), &[], b"");
        assert_eq!((head.status, head.kind(), head.body.len()), (200, "application/json", 0), "{door:?}");
        for (method, target, allowed) in [
            ("OPTIONS", "/runs", "GET"),
            ("PUT", "/runs", "GET"),
            ("TRACE", "/runs", "GET"),
            ("BREW", "/runs", "GET"),
            ("DELETE", "/runs/foo%231", "GET"),
            ("POST", "/openapi.json", "GET"),
            ("GET", "/runs/foo%231/cancel", "POST"),
            ("HEAD", "/runs/foo%231/cancel", "POST"),
            ("get", "/runs", "GET"),
        ] {
            let answer = api.send(door, (method, target), &[], b"");
            let allow = answer.header("allow").unwrap_or_default();
            assert_eq!(
                (answer.status, allow.contains(allowed)),
                (405, true),
                "{door:?} {method} {target}: {allow}"
            );
        }
        let two = [("content-type", "application/json"), ("idempotency-key", "a"), ("idempotency-key", "b")];
        let asked = sent(&api, door, ("POST", "/repos"), &two, b"{\"name\":\"x\"}");
        let wrong = (400, "idempotency.invalid".into());
        assert_eq!(asked, if door == Door::Socket { wrong } else { (401, "credentials.missing".into()) });
        let megabyte = "a".repeat(1 << 20);
        let many: Vec<(String, &str)> = (0..1000).map(|n| (format!("x-{n}"), "a")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        for headers in [&[("x-large", megabyte.as_str())][..], &many] {
            let bytes = request(("GET", "/api/v1/runs"), api.address(), headers, b"");
            assert_eq!(api.raw(door, &bytes).status, 431, "{door:?}");
        }
        for name in ["content-type", "last-event-id", "range", "origin"] {
            let twice = [(name, "1"), (name, "1")];
            let answer = api.send(door, ("GET", "/runs/foo%231/events"), &twice, b"");
            assert_eq!((answer.status, answer.code()), (400, "request.invalid".into()), "{door:?} {name}");
        }
        for twice in [("host", "localhost"), ("transfer-encoding", "chunked")] {
            let bytes = request(("GET", "/api/v1/runs"), api.address(), &[twice], b"");
            assert_eq!(api.raw(door, &bytes).status, 400, "{door:?} {twice:?}");
        }
        for lengths in [
            [("content-length", "1"), ("content-length", "2")],
            [("content-length", "1"), ("transfer-encoding", "chunked")],
            [("transfer-encoding", "chunked"), ("content-length", "1")],
        ] {
            let bytes = request(("GET", "/api/v1/runs"), api.address(), &lengths, b"");
            assert_eq!(api.raw(door, &bytes).status, 400, "{door:?} {lengths:?}");
        }
        let old = format!("GET /api/v1/runs HTTP/1.0\r\nhost: {}\r\n\r\n", api.address());
        let answer = api.raw(door, old.as_bytes());
        assert_eq!((answer.status, answer.json()[0]["number"].as_u64()), (200, Some(1)), "{door:?}");
        let without_host = if door == Door::Tcp { 421 } else { 200 };
        assert_eq!(api.raw(door, b"GET /api/v1/runs HTTP/1.0\r\n\r\n").status, without_host, "{door:?}");
    }
}
