//! Requests that no browser sends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use super::{Place, status};

#[test]
#[expect(clippy::too_many_lines, reason = "a table of requests")]
fn what_can_be_understood_in_two_ways_is_refused() {
    let place = Place::new();
    place.push();
    let host = place.address();
    let page = "/foo/run/1";
    let requests = [
        ("200", format!("GET {page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")),
        ("200", format!("GET {page} HTTP/1.0\r\nHost: {host}\r\n\r\n")),
        ("200", format!("GET http://{host}{page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")),
        ("200", format!("HEAD {page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")),
        ("405", format!("OPTIONS {page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")),
        (
            "405",
            format!("POST {page} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        ),
        ("405", format!("DELETE {page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")),
        ("421", format!("GET {page} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")),
        ("421", format!("GET {page} HTTP/1.0\r\n\r\n")),
        ("400", format!("GET {page} HTTP/1.1\r\nConnection: close\r\n\r\n")),
        ("400", format!("GET {page} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n")),
        ("400", format!("GET {page} HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n")),
        ("400", format!("GET {page} HTTP/1.0\r\nHost: evil.example\r\nHost: {host}\r\n\r\n")),
        (
            "421",
            format!("GET http://evil.example{page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        ),
        (
            "421",
            format!("GET http://{host}{page} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        ),
        ("421", format!("GET http://x@{host}{page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")),
        (
            "400",
            format!(
                "POST {page} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "400",
            format!(
                "GET {page} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
            ),
        ),
        ("400", format!("GET {page} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: identity\r\n\r\n")),
        (
            "400",
            format!(
                "POST {page} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"
            ),
        ),
        ("400", format!("GET {page} HTTP/1.1\r\nHost : {host}\r\n\r\n")),
        ("413", format!("POST {page} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2000000\r\n\r\n")),
        ("431", format!("GET {page} HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n", "x".repeat(100 << 10))),
        ("431", format!("GET {page} HTTP/1.1\r\nHost: {host}\r\n{}\r\n", "X: x\r\n".repeat(20_000))),
        (
            "200",
            format!(
                "GET {page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX: {}\r\n\r\n",
                "x".repeat(60 << 10)
            ),
        ),
    ];
    for (expected, request) in requests {
        let answer = place.ask(request.as_bytes());
        let shown: String = request.chars().take(200).collect();
        assert_eq!(status(&answer), expected, "{shown}\n{answer}");
        assert!(expected == "200" || !answer.contains("run foo#1"), "{shown}\n{answer}");
    }
}

#[test]
fn a_client_that_stops_sending_gets_its_answer() {
    let place = Place::new();
    place.push();
    let page = format!("GET /foo/run/1 HTTP/1.1\r\nHost: {}\r\n\r\n", place.address());
    for _ in 0..20 {
        let stream = TcpStream::connect(place.address()).unwrap();
        assert_eq!(status(&half_closed(stream, &page, |stream| stream.shutdown(Shutdown::Write))), "200");
    }
    let body = r#"{"v":1}"#;
    let intent = format!(
        "POST /intents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for request in ["GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", &intent] {
        for _ in 0..20 {
            let stream = UnixStream::connect(place.data().join("server.sock")).unwrap();
            let answer = half_closed(stream, request, |stream| stream.shutdown(Shutdown::Write));
            assert!(["200", "422"].contains(&status(&answer)), "{answer}");
        }
    }
}

/// The answer to a request after which the client sends no more.
fn half_closed<S: Read + Write>(
    mut stream: S,
    request: &str,
    shut: impl Fn(&S) -> std::io::Result<()>,
) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    shut(&stream).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_path_leads_to_a_run_or_nowhere() {
    let place = Place::new();
    place.push();
    assert_eq!(status(&place.get("/foo/run/1")), "200");
    for path in [
        "//",
        "//foo/run/1",
        "/foo//run/1",
        "/foo/run//1",
        "/foo/run/1/",
        "/foo/run/+1",
        "/foo/run/01",
        "/./foo/run/1",
        "/../foo/run/1",
        "/x/../foo/run/1",
        "/%2e%2e/foo/run/1",
        "/%2e/foo/run/1",
        "/foo%00/run/1",
        "/foo/run/1%00",
        "/foo/run/%31%00",
        "/foo%2frun%2f1%2f..",
        "/foo/run/1%0d%0aX:%20y",
        "/foo/run/18446744073709551616",
        "/foo/run/-1",
        "/%ff/run/1",
        "/runs/x/end",
    ] {
        let status = status(&place.get(path)).to_owned();
        assert!(matches!(status.as_str(), "400" | "404"), "{path}: {status}");
    }
    // A file of a repository, as old clients of git read them, whatever exists.
    for path in ["/foo.git/run/1", "/none.git/run/1"] {
        assert_eq!(status(&place.get(path)), "403", "{path}");
    }
}
