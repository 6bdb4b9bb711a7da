//! Many connections that say nothing, or that are answered for long.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use super::{Place, connect_unix, status};

/// More than any account needs, and more than the server has descriptors for.
const FLOOD: usize = 1100;

/// Lets this process hold as many connections, as far as it may.
fn allow_flood() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

#[test]
fn a_push_runs_while_idle_connections_fill_the_unix_socket() {
    allow_flood();
    let place = Place::with_limits("ulimit -n 256");
    let socket = place.data().join("server.sock");
    let flood: Vec<UnixStream> = (0..FLOOD).map(|_| connect_unix(&socket).unwrap()).collect();
    let said = place.push();
    assert!(said.contains("run 1 passed, "), "{said}");
    drop(flood);
}

#[test]
fn a_push_runs_while_idle_connections_fill_the_address() {
    allow_flood();
    let place = Place::with_limits("ulimit -n 256");
    let address = place.address();
    let flood: Vec<TcpStream> = (0..FLOOD).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let said = place.push();
    assert!(said.contains("run 1 passed, "), "{said}");
    let page = place.get("/foo/run/1");
    assert!(page.contains("run foo#1: passed"), "{page}");
    drop(flood);
}

#[test]
fn a_push_runs_while_half_of_requests_and_long_answers_fill_the_unix_socket() {
    allow_flood();
    let place = Place::with_limits("ulimit -n 256");
    let gate = place.push_gated("gated");
    let shown = place.shell("quire show 'foo#1' --json");
    let id = serde_json::from_str::<serde_json::Value>(&shown).unwrap()["id"].as_str().unwrap().to_owned();
    let socket = place.data().join("server.sock");
    let mut flood = Vec::new();
    for number in 0..FLOOD {
        let mut stream = connect_unix(&socket).unwrap();
        let request = match number % 3 {
            0 => {
                let body = format!("{{\"run\":\"{id}\"}}");
                let head = "POST /runs/wait HTTP/1.1\r\nhost: x\r\ncontent-type: application/json";
                format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            }
            1 => "GET /healthz HTTP/1.1\r\nhos".to_owned(),
            _ => "POST /intents HTTP/1.1\r\nhost: x\r\ncontent-length: 60000000\r\n\r\n{".to_owned(),
        };
        let _refused = stream.write_all(request.as_bytes()).is_err();
        flood.push(stream);
    }
    place.shell("cd foo && git checkout -q HEAD~ && git checkout -qb other");
    let said = place.push();
    assert!(said.contains("run 2 passed, "), "{said}");
    fs::write(&gate, "").unwrap();
}

#[test]
fn of_three_hundred_connections_of_one_peer_those_too_many_are_asked_to_come_again() {
    allow_flood();
    let place = Place::new();
    let gate = place.push_gated("gated");
    let host = place.address();
    let ask = || {
        let mut stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        let head = format!("GET /api/v1/runs/foo%231/wait?timeout_s=60 HTTP/1.1\r\nhost: {host}\r\n");
        let _refused = stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).is_err();
        stream
    };
    let streams: Vec<TcpStream> = (0..300).map(|_| ask()).collect();
    let answer = |mut stream: TcpStream| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    let mut streams: std::collections::VecDeque<TcpStream> = streams.into();
    // Those that came last: all others are being answered.
    for stream in streams.split_off(256) {
        let answer = answer(stream).unwrap();
        assert_eq!(status(&answer), "503", "{answer}");
        assert!(answer.contains("\"code\":\"server.busy\"") && answer.contains("retry-after: 1"), "{answer}");
    }
    fs::write(&gate, "").unwrap();
    for stream in streams {
        assert_eq!(status(&answer(stream).unwrap()), "200");
    }
    assert_eq!(status(&place.get("/healthz")), "200");
}

#[test]
fn a_server_without_descriptors_neither_spins_nor_ends() {
    let place = Place::new();
    let pid: i32 = place.server_pid().parse().unwrap();
    let limit_to = |soft: u64| {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let limit = Rlimit { current: Some(soft), maximum: Some(20_000) };
        prlimit(Pid::from_raw(pid), Resource::Nofile, limit).unwrap()
    };
    let before = limit_to(8);
    let address = place.address();
    let waiting: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert!(place.world.eventually(|world| world.serve_log().contains("could not be accepted")));
    let ticks = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let (from, start) = (ticks(pid), std::time::Instant::now());
    assert!(place.world.eventually(|_| start.elapsed().as_millis() > 500));
    let spent = ticks(pid) - from;
    assert!(spent < 15, "{spent} ticks of processor time in half a second");
    assert_eq!(place.world.serve_log().matches("could not be accepted").count(), 1);
    drop(waiting);
    let _low = limit_to(before.current.unwrap_or(20_000));
    assert_eq!(status(&place.get("/healthz")), "200");
}

#[test]
fn readyz_says_that_the_database_does_not_answer() {
    let place = Place::new();
    assert_eq!(status(&place.get("/readyz")), "200");
    let locked = rusqlite::Connection::open(place.data().join("quire.db")).unwrap();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The writer waits for the lock.
    let push = std::thread::scope(|scope| {
        let pushing = scope.spawn(|| place.push());
        let says_so = || place.get("/readyz").contains("the database does not answer");
        assert!(place.world.eventually(|_| says_so()));
        assert_eq!(status(&place.get("/healthz")), "200", "it lives");
        assert!(place.get("/readyz").contains("server.degraded"));
        locked.execute_batch("ROLLBACK").unwrap();
        pushing.join().unwrap()
    });
    assert!(push.contains("run 1"), "{push}");
    assert!(place.world.eventually(|_| status(&place.get("/readyz")) == "200"));
}
