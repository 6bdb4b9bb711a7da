//! What is refused, and how the one who asks learns of it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use super::identity::{bearer, header};
use super::{PATIENCE, Place, status};

/// The answer to a request for another host.
fn misdirected(place: &Place, path: &str) -> String {
    place.ask(format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").as_bytes())
}

#[test]
fn a_request_for_another_host_is_a_problem_for_programs_and_text_for_people() {
    let place = Place::new();
    let answer = misdirected(&place, "/api/v1/runs");
    assert_eq!((status(&answer), header(&answer, "content-type")), ("421", Some("application/problem+json")));
    assert!(answer.contains("\"code\":\"host.foreign\"") && answer.contains(":public-url"), "{answer}");
    let answer = misdirected(&place, "/foo/run/1");
    assert_eq!(header(&answer, "content-type"), Some("text/plain; charset=utf-8"), "{answer}");
}

#[test]
fn metrics_behind_a_proxy_need_a_token() {
    let place = Place::new();
    assert_eq!(place.status_of("GET", "/metrics", ""), "200");
    for name in ["X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"]
    {
        assert_eq!(place.status_of("GET", "/metrics", &format!("{name}: x\r\n")), "401", "{name}");
    }
}

#[test]
fn wrong_sign_ins_are_in_the_audit_and_there_only_so_often() {
    let place = Place::new();
    let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 10\r\n\r\ntoken=qt_x";
    assert_eq!(place.status_of("POST", "/login", form), "401");
    assert_eq!(place.status_of("GET", "/login?link=ql_x", ""), "403");
    assert_eq!(place.status_of("GET", "/api/v1/runs", &bearer("qt_x")), "401");
    let refused = || place.shell("quire audit --action sign-in.refused --json --limit 200");
    assert!(place.world.eventually(|_| refused().matches("sign-in.refused").count() == 3));
    let entries = refused();
    for part in ["\"nobody\"", "\"127.0.0.1\"", "token.unknown", "login.over"] {
        assert!(entries.contains(part), "{entries}");
    }
    (0..60).for_each(|_| drop(place.status_of("GET", "/login?link=ql_x", "")));
    assert_eq!(place.status_of("GET", "/login?link=ql_x", ""), "429");
    assert!(place.world.eventually(|_| refused().matches("sign-in.refused").count() == 50));
}

#[test]
fn a_push_that_git_refuses_is_in_the_audit_and_changes_nothing() {
    let place = Place::new();
    place.push();
    place.shell(
        "git -C $T/data/repos/foo.git config receive.denyNonFastForwards true && cd foo &&
         git commit -q --amend --allow-empty -m other && ! git push -q -f origin HEAD:main 2>/dev/null",
    );
    let refused = || place.shell("quire audit --action push.refused --json");
    assert!(place.world.eventually(|_| refused().contains("\"main\"")), "{}", refused());
    let entry = &serde_json::from_str::<serde_json::Value>(&refused()).unwrap()[0];
    assert_eq!((&entry["subject"], &entry["detail"]["refs"]), (&"foo".into(), &"main".into()));
    assert!(entry["actor"].as_str().unwrap().starts_with("user:"), "{entry}");
    assert!(!place.shell("quire runs").contains("foo#2"));
}

#[test]
fn nobody_learns_what_else_is_wrong_with_a_request() {
    let place = Place::new();
    let json = |body: &str| {
        format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let bodies = [json("{"), json("{\"color\":1}"), "content-length: 1\r\n\r\nx".to_owned()];
    for path in
        ["repos", "runs", "plans", "watches", "runs/foo%231/rerun", "runs/%00/cancel", "watches/x/now"]
    {
        for body in &bodies {
            assert_eq!(place.status_of("POST", &format!("/api/v1/{path}"), body), "401", "{path} {body}");
        }
    }
    for path in ["audit?frob=1", "audit?limit=x", "notifications?state=x", "watches?x"] {
        assert_eq!(place.status_of("GET", &format!("/api/v1/{path}"), ""), "401", "{path}");
    }
    let keyed = format!("idempotency-key: k\r\n{}", json("{\"name\":\"x\"}"));
    assert_eq!(place.status_of("POST", "/api/v1/repos", &keyed), "401");
}

/// A stream over TCP that has begun.
fn open(place: &Place, path: &str, lines: &str) -> TcpStream {
    let host = place.address();
    let mut stream = TcpStream::connect(&host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n").as_bytes()).unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200", "{path}");
    stream
}

/// Reads a stream until the server ends it, and says whether it was broken off rather than completed.
fn is_broken_off(mut stream: TcpStream) -> bool {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => !bytes.ends_with(b"0\r\n\r\n"),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn streams_end_with_the_token_or_the_session_that_they_were_opened_with() {
    let place = Place::new();
    let gate = place.push_gated("main");
    let paths = ["/api/v1/events", "/api/v1/runs/foo%231/events", "/api/v1/runs/foo%231/jobs/t/log?follow=1"];
    let stays: Vec<_> = paths.iter().map(|path| open(&place, path, "")).collect();
    let token = bearer(&place.token("revoked", "--scope runs:read,logs:read,repos:read"));
    let streams: Vec<_> = paths.iter().map(|path| open(&place, path, &token)).collect();
    place.shell("quire token revoke revoked");
    assert!(streams.into_iter().all(is_broken_off));
    let token = bearer(&place.token("short", "--scope runs:read,logs:read,repos:read --expires 1s"));
    let streams: Vec<_> = paths.iter().map(|path| open(&place, path, &token)).collect();
    assert!(streams.into_iter().all(is_broken_off));
    let link = place.shell("quire login 2>/dev/null");
    let path = link.trim().strip_prefix(&format!("http://{}", place.address())).unwrap();
    let signed_in = place.send("GET", path, "");
    let cookie =
        format!("cookie: {}\r\n", header(&signed_in, "set-cookie").unwrap().split(';').next().unwrap());
    let streams: Vec<_> = paths.iter().map(|path| open(&place, path, &cookie)).collect();
    let out = format!("{cookie}sec-fetch-site: same-origin\r\ncontent-length: 0\r\n");
    assert_eq!(place.status_of("POST", "/logout", &out), "303");
    assert!(streams.into_iter().all(is_broken_off));
    fs::write(&gate, "").unwrap();
    // Those of nobody go on, and end with the run.
    assert!(stays.into_iter().skip(1).all(|stream| !is_broken_off(stream)));
}

/// Every scope, as a command takes them.
const ALL_SCOPES: &str =
    "--scope repos:read,repos:write,runs:read,runs:write,logs:read,sources:read,sources:write,admin";

/// A small file system at the data folder of a world, until it is dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf) -> Self {
        let mut mount = Command::new("mount");
        assert!(mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&at).status().unwrap().success());
        Self(at)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _status = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn changes_on_a_full_disk_are_507_and_work_again_when_there_is_room() {
    if !rustix::process::geteuid().is_root() {
        return; // only root can mount
    }
    let disk = std::cell::OnceCell::new();
    let place = Place::prepared(|world| drop(disk.set(SmallDisk::mount(world.path().join("data")))));
    place.push();
    place.shell("quire repo new old && quire token new revoked --scope runs:read");
    place.shell("quire watch add https://git.invalid/x main --name known 2>&1");
    let admin = bearer(&place.token("all", ALL_SCOPES));
    let ask = |method: &str, path: &str, body: &str| {
        let length = body.len();
        let head = format!("{admin}content-type: application/json\r\ncontent-length: {length}\r\n");
        place.send(method, &format!("/api/v1/{path}"), &format!("{head}\r\n{body}"))
    };
    let changes = [
        ("POST", "repos", "{\"name\":\"new\"}", "201"),
        ("PATCH", "repos/foo", "{\"description\":\"other\"}", "200"),
        ("PATCH", "repos/old", "{\"name\":\"renamed\"}", "200"),
        ("DELETE", "repos/renamed", "", "204"),
        ("POST", "runs/foo%231/rerun", "{}", "201"),
        ("POST", "tokens", "{\"name\":\"new\",\"scopes\":[\"runs:read\"]}", "201"),
        ("DELETE", "tokens/revoked", "", "204"),
        ("POST", "watches", "{\"name\":\"watched\",\"url\":\"https://git.invalid/x\"}", "201"),
        ("DELETE", "watches/known", "", "204"),
    ];
    let filler = place.data().join("filler");
    // Until nothing fits any more: also not the few pages that the database keeps.
    let _full = fs::write(&filler, vec![b'x'; 24 << 20]).is_err();
    for (method, path, body, _) in changes {
        // Nothing was renamed.
        let answer = ask(method, &path.replace("renamed", "old"), body);
        assert_eq!(status(&answer), "507", "{method} {path}: {answer}");
        assert!(answer.contains("\"code\":\"data.full\"") && answer.contains("\"hint\""), "{answer}");
    }
    for path in ["runs/foo%231", "repos/old"] {
        assert_eq!(place.status_of("GET", &format!("/api/v1/{path}"), &admin), "200", "{path}");
    }
    fs::remove_file(&filler).unwrap();
    assert!(place.world.eventually(|_| status(&place.get("/readyz")) == "200"));
    for (method, path, body, expected) in changes {
        let answer = ask(method, path, body);
        assert_eq!(status(&answer), expected, "{method} {path}: {answer}");
    }
}

#[test]
fn runs_of_a_removed_repository_are_gone_on_every_route() {
    let place = Place::new();
    place.push();
    let shown = place.shell("quire show 'foo#1' --json");
    let id = serde_json::from_str::<serde_json::Value>(&shown).unwrap()["id"].as_str().unwrap().to_owned();
    let socket = place.data().join("server.sock");
    let curl = |rest: &str| {
        place.shell(&format!(
            "curl -s -o /dev/null -w '%{{http_code}}' --unix-socket {} {rest}",
            socket.display()
        ))
    };
    let paths = ["", "/wait?timeout_s=0", "/events", "/artifacts", "/jobs/t/log"];
    let before: Vec<_> = paths.iter().map(|path| curl(&format!("http://x/api/v1/runs/{id}{path}"))).collect();
    assert_eq!(before, ["200"; 5]);
    assert_eq!(curl("-X DELETE http://x/api/v1/repos/foo"), "204");
    for run in [id.as_str(), "foo%231"] {
        for path in paths {
            assert_eq!(curl(&format!("http://x/api/v1/runs/{run}{path}")), "404", "{run}{path}");
        }
    }
}

#[test]
fn logs_have_a_visibility_of_their_own_and_never_a_wider_one() {
    let place = Place::new();
    place.push();
    let admin = bearer(&place.token("all", "--scope repos:write,repos:read"));
    let set = |fields: &str| {
        let head = format!("{admin}content-type: application/json\r\ncontent-length: {}\r\n", fields.len());
        let answer = place.send("PATCH", "/api/v1/repos/foo", &format!("{head}\r\n{fields}"));
        assert_eq!(status(&answer), "200", "{answer}");
        answer
    };
    let (run, log) = ("/api/v1/runs/foo%231", "/api/v1/runs/foo%231/jobs/t/log");
    let seen = |lines: &str| [place.status_of("GET", run, lines), place.status_of("GET", log, lines)];
    assert_eq!(seen(""), ["200", "200"], "the default on loopback");
    let answer = set("{\"log_visibility\":\"private\"}");
    assert!(
        answer.contains("\"log_visibility\":\"private\"") && answer.contains("\"visibility\":\"public\"")
    );
    assert_eq!(seen(""), ["200", "401"]);
    assert_eq!(seen(&admin), ["200", "403"]);
    set("{\"log_visibility\":\"public\",\"visibility\":\"private\"}");
    assert_eq!(seen(""), ["404", "404"]);
    assert_eq!(seen(&admin), ["403", "403"]);
}
