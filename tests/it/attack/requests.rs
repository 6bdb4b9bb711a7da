//! Requests that nobody should send, to both doors: the server stays up, answers, and runs what is pushed.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::Shutdown;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::forge::Forge;
use super::mutate::mutated;
use super::{Attack, Count, Harm, Random, frames};

/// Requests of one round.
const REQUESTS: usize = 120;

/// Connections that are left open, and say nothing or little, during a round.
const IDLE: usize = 40;

/// How long the server may think about a request whose end it has seen.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long nothing comes before the request is said to be all.
const SILENCE: Duration = Duration::from_millis(15);

/// Rounds that one server goes through.
const ROUNDS_PER_SERVER: usize = 20;

const PIPELINE: &str = "(local ci (require :quire.ci))\n(ci:job :work [:quire/push] (fn [] (sh \"true\")))\n";

const PATHS: [&str; 22] = [
    "/healthz",
    "/app/run/1",
    "/app/run/0",
    "/app/run/18446744073709551616",
    "/app/run/-1",
    "/app/run/1/",
    "//app/run/1",
    "/../app/run/1",
    "/%2e%2e/%2e%2e/etc/passwd/run/1",
    "/app%2frun%2f1",
    "/app%00/run/1",
    "/%ff%fe/run/1",
    "/a/b/c/d/run/run/run/1",
    "/run/1",
    "/",
    "*",
    "",
    "http://127.0.0.1/healthz",
    "http://evil.example/app/run/1",
    "/app/run/1?x=%",
    "/app/run/1#x",
    "/events",
];

const METHODS: [&str; 9] = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", "PRI"];

/// Header lines; `HOST` is the server's own.
const HEADERS: [&str; 24] = [
    "host: HOST",
    "Host: HOST",
    "host: evil.example",
    "host:",
    "host: HOST, HOST",
    "host: user@HOST",
    "content-length: 0",
    "content-length: 10",
    "content-length: -1",
    "content-length: 18446744073709551616",
    "content-length: 5, 5",
    "transfer-encoding: chunked",
    "transfer-encoding: chunked, identity",
    "transfer-encoding: xchunked",
    "expect: 100-continue",
    "upgrade: h2c",
    "connection: keep-alive, upgrade, close",
    "content-type: application/json",
    "content-type: text/plain; charset=\u{fffd}",
    "range: bytes=0-,5-",
    "if-none-match: *",
    " folded: line",
    "bad name: x",
    "nocolon",
];

const BODIES: [&str; 6] =
    ["", "0123456789", "5\r\nhello\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFF\r\n", "-1\r\n", "{}"];

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Tcp,
    Socket,
}

#[test]
fn the_server_survives_every_request() {
    let mut attack = Attack::new("requests", 1);
    let mut current: Option<(Forge, usize)> = None;
    while let Some(mut random) = attack.next_round() {
        let (forge, rounds) = current.get_or_insert_with(|| (attacked(), 0));
        *rounds += 1;
        round(forge, &mut random, &mut attack);
        if *rounds == ROUNDS_PER_SERVER {
            current = None;
        }
    }
    attack.finish();
}

fn attacked() -> Forge {
    let forge = Forge::new("{}");
    forge.commit(&[(".quire/ci.fnl", PIPELINE)]);
    let said = forge.push("-o ci.wait");
    assert!(said.contains("passed"), "{said}");
    forge
}

fn round(forge: &Forge, random: &mut Random, attack: &mut Attack) {
    let pid = forge.world.server_pid();
    let idle = idle_connections(forge, random);
    for _ in 0..REQUESTS {
        let door = *random.pick(&[Door::Tcp, Door::Socket]);
        let request = request(forge, door, random);
        attack.count(Count::Inputs, 1);
        if let Some((harm, problem)) = problem_of(forge, door, &request, random) {
            attack.harm(harm, &format!("{door:?}: {problem}\n  {}", request.escape_ascii()));
        }
        if !std::path::Path::new(&format!("/proc/{pid}")).exists() {
            panic!("the server has ended after {}\n{}", request.escape_ascii(), forge.world.serve_log());
        }
    }
    attack.note_memory(pid);
    drop(idle);
    check(forge, attack);
}

/// After all of it the server is healthy by both doors, has not panicked, and runs a push.
fn check(forge: &Forge, attack: &mut Attack) {
    for door in [Door::Tcp, Door::Socket] {
        let request =
            format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", forge.address());
        let answer = answer_to(forge, door, &[request.as_bytes()]);
        if !answer.as_ref().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200")) {
            attack.harm(Harm::Hang, &format!("{door:?}: healthz after the attack: {answer:?}"));
        }
    }
    let log = forge.world.serve_log();
    if let Some(at) = log.find("panicked") {
        attack.harm(Harm::Crash, &log[at.saturating_sub(300)..(at + 500).min(log.len())]);
    }
    forge.commit(&[(".quire/ci.fnl", PIPELINE)]);
    let said = forge.push("-o ci.wait");
    attack.count(Count::Pushes, 1);
    if said.contains("passed") {
        attack.count(Count::Runs, 1);
    } else {
        attack.harm(Harm::Lost, &format!("the push after the attack printed\n{said}\n{log}"));
    }
}

/// Connections that have sent nothing, half a request, or half a body.
fn idle_connections(forge: &Forge, random: &mut Random) -> Vec<File> {
    let beginnings: [&[u8]; 5] = [
        b"",
        b"GET /healthz HT",
        b"POST /intents HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"v\":1,",
        b"POST /events HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n",
        b"GET /app/run/1 HTTP/1.1\r\nhost: x\r\n",
    ];
    let mut open = Vec::new();
    for _ in 0..IDLE {
        let mut connection = connect(forge, *random.pick(&[Door::Tcp, Door::Socket])).unwrap();
        connection.write_all(random.pick::<&[u8]>(&beginnings)).unwrap();
        open.push(connection);
    }
    open
}

/// One request: of the right form with a wrong content, or of no form.
fn request(forge: &Forge, door: Door, random: &mut Random) -> Vec<u8> {
    let request = if door == Door::Socket && random.one_in(2) {
        frames::request(forge, random)
    } else {
        head(forge, random)
    };
    if random.one_in(2) { mutated(&request, random) } else { request }
}

fn head(forge: &Forge, random: &mut Random) -> Vec<u8> {
    let version =
        random.pick(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "", "HTTP/1.1 x"]);
    let mut request = format!("{} {} {version}\r\n", random.pick(&METHODS), path(random));
    if !random.one_in(4) {
        request.push_str(&format!("host: {}\r\n", forge.address()));
    }
    for _ in 0..random.below(5) {
        let line = random.pick(&HEADERS).replace("HOST", &forge.address().to_string());
        let end = random.pick(&["\r\n", "\r\n", "\r\n", "\n", "\r", "\0\r\n"]);
        request.push_str(&format!("{line}{end}"));
    }
    if random.one_in(12) {
        let count = *random.pick(&[1, 200]);
        let length = *random.pick(&[10, 1000, 70_000]);
        (0..count).for_each(|n| request.push_str(&format!("x-{n}: {}\r\n", "y".repeat(length / count + 1))));
    }
    request.push_str("\r\n");
    request.push_str(random.pick::<&str>(&BODIES));
    if random.one_in(8) {
        // Another one behind it, on the same connection.
        request.push_str(&format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", forge.address()));
    }
    request.into_bytes()
}

fn path(random: &mut Random) -> String {
    match random.below(10) {
        0 => format!("/{}/run/1", "a".repeat(random.between(1, 9000))),
        1 => format!("/app/run/1?{}", "x=1&".repeat(random.between(1, 2000))),
        2 => format!("/{}run/1", "%2e%2e/".repeat(random.between(1, 300))),
        _ => (*random.pick(&PATHS)).to_owned(),
    }
}

/// What is wrong with the answer to a request, which comes in pieces.
fn problem_of(forge: &Forge, door: Door, request: &[u8], random: &mut Random) -> Option<(Harm, String)> {
    let cut = random.below(request.len() + 1);
    let (first, second) = request.split_at(if random.one_in(2) { cut } else { request.len() });
    let began = Instant::now();
    match answer_to(forge, door, &[first, second]) {
        Ok(answer) => {
            let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line).into_owned();
            let code: Option<u16> =
                line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
            match code {
                Some(code) if code >= 500 && code != 503 => Some((Harm::Wrong, line)),
                // A connection may end without an answer.
                None if !answer.is_empty() => Some((Harm::Wrong, format!("answered {line:?}"))),
                _ => None,
            }
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Some((Harm::Hang, format!("no end of the answer after {:?}", began.elapsed())))
        }
        // Who sends too much may find the connection closed.
        Err(_) => None,
    }
}

/// Sends the pieces and reads to the end. When nothing more comes, says that nothing more will be sent.
fn answer_to(forge: &Forge, door: Door, pieces: &[&[u8]]) -> std::io::Result<Vec<u8>> {
    let mut connection = connect(forge, door)?;
    set_socket_timeout(&connection, Timeout::Send, Some(PATIENCE))?;
    set_socket_timeout(&connection, Timeout::Recv, Some(SILENCE))?;
    pieces.iter().try_for_each(|piece| connection.write_all(piece))?;
    let mut answer = Vec::new();
    match connection.read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        ended => return ended.map(|_| answer),
    }
    // Not at once: who closes one half may be taken for gone, and gets no answer.
    rustix::net::shutdown(&connection, Shutdown::Write)?;
    set_socket_timeout(&connection, Timeout::Recv, Some(PATIENCE))?;
    connection.read_to_end(&mut answer)?;
    Ok(answer)
}

/// A connection to a door, as a file.
fn connect(forge: &Forge, door: Door) -> std::io::Result<File> {
    let connection: OwnedFd = match door {
        Door::Tcp => TcpStream::connect(forge.address())?.into(),
        Door::Socket => UnixStream::connect(forge.path("data/server.sock"))?.into(),
    };
    Ok(File::from(connection))
}
