//! Streams of events with several clients, and clients that leave.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::service::{Event, Service, outline};

/// The events of a run for a client that drops its connection after every third one.
fn in_threes(service: &Service, path: &str) -> Vec<Event> {
    let mut seen: Vec<Event> = Vec::new();
    loop {
        let last = format!("Last-Event-ID: {}", seen.last().map_or(0, |event| event.id));
        let mut stream = service.stream(&["-H", &last], path);
        for _ in 0..3 {
            seen.push(stream.next().expect("the stream stays open"));
            if seen.last().unwrap().kind == "run.finish" {
                return seen;
            }
        }
    }
}

#[test]
fn three_clients_that_come_again_after_every_third_event_see_each_event_of_a_cancelled_run_once() {
    let service = Service::start(&["--dev"]);
    let script = "for i in $(seq 1 15); do echo line-$i; sleep 0.02; done; echo asleep; sleep 300";
    service.job("ticks", "job: {id: ticks}\ninterpreter: bash\n", &[("000_tick", script)]);
    let run = service.run(r#"{"job_id":"ticks"}"#);
    let path = format!("/runs/{}", run["id"].as_str().unwrap());
    let events = format!("{path}/events");
    let seen: Vec<Vec<Event>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(|| in_threes(&service, &events))).collect();
        let mut all = service.stream(&[], &events);
        while all.next().expect("the run says that it sleeps").data["message"] != "asleep" {}
        assert_eq!(service.curl(&["-X", "POST"], &format!("{path}:cancel")).status, 202);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let lines = (1..=15).map(|number| format!("line-{number}")).chain(["asleep".to_owned()]);
    let mut expected =
        vec![("run.start".to_owned(), String::new()), ("step.start".to_owned(), String::new())];
    expected.extend(lines.map(|line| ("step.log".to_owned(), line)));
    expected
        .extend(["step.finish", "run.canceled", "run.finish"].map(|kind| (kind.to_owned(), String::new())));
    let found: Vec<_> =
        outline(&seen[0]).into_iter().map(|(kind, text)| (kind.to_owned(), text.to_owned())).collect();
    assert_eq!(found, expected);
    assert!(seen.iter().all(|events| *events == seen[0]), "{seen:?}");
    assert_eq!(service.events(&run), seen[0], "and so does who comes later");
}

#[test]
fn a_client_that_leaves_stops_neither_the_run_nor_the_others() {
    let service = Service::start(&["--dev"]);
    let flood = "until [ -e open ]; do sleep 0.02; done; seq 1 3000";
    service.job("flood", "job: {id: flood}\ninterpreter: bash\n", &[("000_flood", flood)]);
    let run = service.run(r#"{"job_id":"flood"}"#);
    let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
    let mut stays = service.stream(&[], &path);
    for _ in 0..3 {
        assert_eq!(service.stream(&[], &path).next().unwrap().kind, "run.start");
    }
    // One that connects and never reads.
    let mut deaf = TcpStream::connect(service.url().trim_start_matches("http://")).unwrap();
    write!(deaf, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    fs::write(service.world.path().join("project/open"), "").unwrap();
    let events = stays.until("run.finish");
    assert_eq!(events.iter().filter(|event| event.kind == "step.log").count(), 3_000);
    drop(deaf);

    // One that sends a request and does not wait for its answer: the run is there, once.
    let body = r#"{"job_id":"fail"}"#;
    let mut leaves = TcpStream::connect(service.url().trim_start_matches("http://")).unwrap();
    let length = body.len();
    write!(leaves, "POST /runs HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: abcdefghij0123456789\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    drop(leaves);
    let runs = || service.get("/runs").json().as_array().unwrap().len();
    assert!(service.world.eventually(|_| runs() == 2));
    let again = service.curl(&["-H", "Idempotency-Key: abcdefghij0123456789", "-d", body], "/runs");
    assert_eq!((again.status, again.header("idempotent-replay"), runs()), (201, Some("true"), 2));
}

#[test]
fn what_is_refused_before_the_routes_has_the_shape_of_this_interface_too() {
    let service = Service::start(&["--dev"]);
    let address = service.url().trim_start_matches("http://").to_owned();
    let send = |head: &str, body: &[u8]| {
        let mut connection = TcpStream::connect(&address).unwrap();
        connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body)).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    };
    let host = "Host: localhost\r\nConnection: close\r\n";
    let long = "x".repeat(66_000);
    for (head, status, title) in [
        (
            format!("POST /runs HTTP/1.1\r\n{host}Content-Length: 99999999\r\n\r\n"),
            413,
            "request body too large",
        ),
        (
            format!("POST /runs HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
            "invalid request",
        ),
        (format!("GET /jobs HTTP/1.1\r\n{host}Host: other\r\n\r\n"), 400, "invalid request"),
        (format!("GET /jobs HTTP/1.1\r\n{host}X-Long: {long}\r\n\r\n"), 431, "request head too large"),
    ] {
        let answer = send(&head, b"");
        let shown = &answer[..answer.len().min(600)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {shown}"));
        assert_eq!((&problem["title"], &problem["status"]), (&json!(title), &json!(status)), "{shown}");
        assert!(
            problem["detail"].is_string() && problem["code"].is_null() && problem["type"].is_null(),
            "{shown}"
        );
    }
    let long = json!({"job_id": "fail", "tenant": "t".repeat(129)}).to_string();
    for body in [long, json!({"job_id": "fail", "tenant": "a\nb"}).to_string()] {
        assert_eq!(service.post("/runs", &body).problem().1, "invalid request body", "{body}");
    }
    assert_eq!(service.get("/runs").json(), json!([]));
}
