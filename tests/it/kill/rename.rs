//! A rename that is killed, or finds the disk full, at each of its places: it is done or not, for folder and database alike.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::forge::{Forge, QUIRE};
use super::strace::require_strace;
use super::wait::until_true;
use crate::containers::full_disk::Disk;

/// A forge with a run of `foo`, and no server.
fn forge() -> Forge {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    forge.push("HEAD:refs/heads/main").go().accepted();
    assert_eq!(forge.outcome(1), "passed");
    forge.kill_server();
    forge
}

/// The one name that the repository has, for folder, run and git alike: the old one leads to it.
fn name(forge: &Forge, place: &str) -> String {
    let listed: Vec<Value> = serde_json::from_str(&forge.quire(["repo", "list", "--json"])).unwrap();
    assert_eq!(listed.len(), 1, "{place}: {listed:?}");
    let name = listed[0]["name"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["last_run"]["number"], 1, "{place}");
    for run in ["foo#1".to_owned(), format!("{name}#1")] {
        let shown: Value = serde_json::from_str(&forge.quire(["show", &run, "--json"])).unwrap();
        assert!(shown["outcome"] == "passed" && shown["problem"].is_null(), "{place}: {run}: {shown}");
    }
    for folder in ["foo".to_owned(), name.clone()] {
        let head =
            forge.git(["ls-remote", forge.path(&format!("data/repos/{folder}.git")).to_str().unwrap()]);
        assert!(head.contains("refs/heads/main"), "{place}: {folder}");
    }
    name
}

/// The same, when folder and database of a running server agree on it.
fn agreed(forge: &Forge, place: &str) -> String {
    let name = name(forge, place);
    until_true(&format!("{place}: it is recorded as {name}"), || {
        let (status, repo) = api(forge, "GET", &format!("/repos/{name}"), "");
        let (_, all) = api(forge, "GET", "/repos", "");
        status == 200
            && repo["last_run"]["repo"] == name.as_str()
            && all.as_array().is_some_and(|all| all.len() == 1)
    });
    assert!(forge.path(&format!("data/runs/{name}.git/1/journal.ndjson")).is_file(), "{place}");
    name
}

/// The status and the body of an answer of the server; 0 when it died, perhaps by a write of its own before it was asked.
fn api(forge: &Forge, method: &str, target: &str, body: &str) -> (u16, Value) {
    let head =
        format!("{method} /api/v1{target} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length");
    let mut answer = String::new();
    let asked = UnixStream::connect(forge.path("data/server.sock")).and_then(|mut stream| {
        stream.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        stream.read_to_string(&mut answer)
    });
    let _died = asked.is_err();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| serde_json::from_str(body).unwrap_or_default());
    (status, body.unwrap_or_default())
}

#[test]
fn a_rename_by_a_command_that_is_killed_anywhere_is_done_or_not() {
    require_strace();
    let mut forge = forge();
    let trace = forge.path("trace");
    let rename = |forge: &Forge, inject: &[&str]| {
        let mut command = forge.command("strace");
        command.args(["-f", "-o"]).arg(&trace).args(inject).args(["--", QUIRE, "--data"]);
        command.arg(forge.path("data")).args(["repo", "rename", "foo", "bar"]).output().unwrap();
    };
    rename(&forge, &["-e", "trace=all"]);
    let text = fs::read_to_string(&trace).unwrap();
    let count = |call: &str| text.lines().filter(|line| line.contains(&format!(" {call}("))).count();
    let (mut done, mut undone) = (0, 0);
    for call in ["symlink", "renameat2", "rename", "unlink", "mkdir", "fsync"] {
        for when in 1..=count(call) {
            forge.quire(["repo", "rename", "bar", "foo"]);
            let inject = format!("inject={call}:signal=KILL:when={when}");
            rename(&forge, &["-e", &format!("trace={call}"), "-e", &inject]);
            forge.start();
            match agreed(&forge, &inject).as_str() {
                "bar" => done += 1,
                _ => undone += 1,
            }
            forge.kill_server();
            if name(&forge, &inject) == "foo" {
                forge.quire(["repo", "rename", "foo", "bar"]);
            }
        }
    }
    assert!(done > 0 && undone > 0, "{done} done, {undone} not");
}

/// Asks the server for a rename to `bar`, with a description, while a fault comes at system calls of it: the status.
fn renamed_with(forge: &Forge, fault: &str) -> u16 {
    let (pid, call) = (forge.server_pid(), fault.split(':').next().unwrap());
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
    strace.args([&format!("inject={fault}"), "-p", &pid.to_string()]);
    let mut strace = strace.stderr(Stdio::null()).spawn().unwrap();
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let status = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).unwrap_or_default();
    until_true("strace is attached", || threads().all(|thread| !status(thread).contains("TracerPid:\t0\n")));
    let (status, _) = api(forge, "PATCH", "/repos/foo", r#"{"name":"bar","description":"renamed"}"#);
    // The server goes on alone.
    let _gone = strace.kill().is_err();
    strace.wait().unwrap();
    status
}

/// The repository is `foo` again, and has no description.
fn reset(forge: &Forge) {
    let (status, _) = api(forge, "PATCH", "/repos/bar", r#"{"name":"foo","description":null}"#);
    assert_eq!(status, 200);
}

#[test]
fn a_rename_by_a_server_that_is_killed_anywhere_is_done_or_not() {
    require_strace();
    let mut forge = forge();
    let mut killed = 0;
    forge.start();
    for call in ["symlink", "renameat2", "fsync", "pwrite64", "fdatasync"] {
        for when in 1.. {
            let fault = format!("{call}:signal=KILL:when={when}");
            let status = renamed_with(&forge, &fault);
            if status == 0 {
                forge.bury_server();
                forge.start();
                killed += 1;
            }
            if agreed(&forge, &fault) == "bar" {
                reset(&forge);
            }
            if status != 0 {
                assert_eq!(status, 200, "{fault}");
                break;
            }
        }
    }
    assert!(killed >= 5, "{killed}");
}

#[test]
fn a_rename_that_finds_the_disk_full_is_done_with_all_of_its_request_or_not_at_all() {
    require_strace();
    let mut forge = forge();
    forge.start();
    for call in ["symlink", "renameat2", "pwrite64"] {
        for when in 1.. {
            let fault = format!("{call}:error=ENOSPC:when={when}+");
            let status = renamed_with(&forge, &fault);
            let name = agreed(&forge, &fault);
            let (_, repo) = api(&forge, "GET", &format!("/repos/{name}"), "");
            let expected = if status == 200 { ("bar", Some("renamed")) } else { ("foo", None) };
            assert_eq!((name.as_str(), repo["description"].as_str()), expected, "{fault}: {status}");
            if status == 200 {
                reset(&forge);
                break;
            }
            assert_eq!(status, 507, "{fault}");
        }
    }
    // And a disk that is full.
    forge.kill_server();
    let Some(disk) = Disk::mount_over(&forge.path("data"), "16m") else { return };
    forge.start();
    disk.fill();
    let change = r#"{"name":"bar","description":"renamed"}"#;
    assert_eq!(api(&forge, "PATCH", "/repos/foo", change).0, 507);
    disk.clear();
    assert_eq!(agreed(&forge, "a full disk"), "foo");
    assert_eq!(api(&forge, "PATCH", "/repos/foo", change).0, 200);
    assert_eq!(agreed(&forge, "room again"), "bar");
    forge.kill_server();
}

#[test]
fn a_change_that_is_refused_changes_nothing() {
    let mut forge = forge();
    forge.quire(["repo", "new", "taken"]);
    forge.start();
    for (change, status) in [
        (r#"{"name":"taken","description":"d"}"#, 409),
        (r#"{"name":"taken","default_branch":"main","visibility":"private"}"#, 409),
        (r#"{"name":"bar","default_branch":"absent","description":"d"}"#, 422),
    ] {
        assert_eq!(api(&forge, "PATCH", "/repos/foo", change).0, status, "{change}");
        let (_, repo) = api(&forge, "GET", "/repos/foo", "");
        assert!(repo["description"].is_null() && repo["visibility"] == "public", "{change}: {repo}");
    }
    let audit = forge.quire(["audit", "--json"]);
    assert!(!audit.contains("repo.rename") && !audit.contains("repo.update"), "{audit}");
}
