//! By which door and from which page a request comes, and what a proxy and other sites may do.

use std::io::{BufRead, BufReader, Write};

use super::identity::{bearer, header, requests};
use super::{PATIENCE, Place, connect_unix, status};

/// Where a browser says that a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    None,
    Same,
    Foreign,
}

impl Origin {
    const ALL: [Self; 3] = [Self::None, Self::Same, Self::Foreign];

    fn lines(self, host: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::Same => format!("origin: http://{host}\r\n"),
            Self::Foreign => "origin: https://evil.example\r\nsec-fetch-site: cross-site\r\n".to_owned(),
        }
    }
}

/// The cookie of a browser that has signed in.
pub(super) fn cookie(place: &Place) -> String {
    let link = place.shell("quire login 2>/dev/null");
    let path = link.trim().strip_prefix(&format!("http://{}", place.address())).unwrap();
    let signed_in = place.send("GET", path, "");
    format!("cookie: {}\r\n", header(&signed_in, "set-cookie").unwrap().split(';').next().unwrap())
}

/// The status of a request over the Unix socket.
fn over_socket(place: &Place, method: &str, path: &str, lines: &str) -> String {
    let mut stream = connect_unix(&place.data().join("server.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{lines}").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    status(&line).to_owned()
}

/// Every route of the OpenAPI document, by door, origin and visibility, for nobody, a token, a session and the socket.
#[test]
fn doors_and_origins_decide_about_every_route_as_the_contract_says() {
    let place = Place::new();
    place.push();
    let get = place.send("GET", "/api/v1/openapi.json", "");
    let document: serde_json::Value = serde_json::from_str(get.split_once("\r\n\r\n").unwrap().1).unwrap();
    let scopes =
        "repos:read,repos:write,runs:read,runs:write,logs:read,secrets:read,sources:read,sources:write,admin";
    let token = bearer(&place.token("all", &format!("--scope {scopes}")));
    let (session, host) = (cookie(&place), place.address());
    for visibility in ["public", "private"] {
        let body = format!("{{\"visibility\":\"{visibility}\"}}");
        let lines =
            format!("{token}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        assert_eq!(place.status_of("PATCH", "/api/v1/repos/foo", &lines), "200");
        let mut count = 0;
        for ((method, path), security) in requests(&document, "foo") {
            let is_removal = method == "DELETE" && path.contains("/repos/");
            if security.is_empty() || is_removal {
                continue;
            }
            count += 1;
            let is_open = security.iter().any(|one| one.as_object().is_none_or(serde_json::Map::is_empty));
            let is_change = method != "GET";
            // What cannot be read as a body: who is let in ends there.
            let rest = match is_change {
                false => "last-event-id: 999999\r\n\r\n",
                true => "content-type: text/plain\r\ncontent-length: 1\r\n\r\nx",
            };
            let let_in = place.first_line(&method, &path, &format!("{token}{rest}"));
            for origin in Origin::ALL {
                let lines = origin.lines(&host);
                let of =
                    |identity: &str| place.first_line(&method, &path, &format!("{identity}{lines}{rest}"));
                let what = format!("{visibility} {method} {path} {origin:?}");
                let is_private = visibility == "private" && path.contains("foo");
                match (is_open, is_private) {
                    (false, _) => assert_eq!(of(""), "401", "{what}: nobody"),
                    (true, true) => assert_eq!(of(""), "404", "{what}: nobody"),
                    (true, false) => assert_eq!(of(""), let_in, "{what}: nobody"),
                }
                assert_eq!(of(&token), let_in, "{what}: a token");
                let is_forged = is_change && origin != Origin::Same;
                let expected = if is_forged { "403" } else { let_in.as_str() };
                assert_eq!(of(&session), expected, "{what}: a session");
                assert_eq!(
                    over_socket(&place, &method, &path, &format!("{lines}{rest}")),
                    let_in,
                    "{what}: the socket"
                );
            }
            assert!(
                !["401", "403"].contains(&let_in.as_str()) && !let_in.starts_with('5'),
                "{method} {path}"
            );
        }
        assert!(count >= 20, "only {count} routes");
    }
}

/// A server with this in `:http`.
fn with_http(settings: &str) -> Place {
    Place::prepared(|world| {
        std::fs::write(world.path().join("data/config.fnl"), format!("{{:http {{{settings}}}}}")).unwrap();
    })
}

#[test]
fn other_sites_read_the_api_when_they_are_listed_and_never_with_a_cookie() {
    let place = with_http(":cors-origins [\"https://ci.example\"]");
    place.push();
    let session = cookie(&place);
    let listed = "origin: https://ci.example\r\n";
    let allow = "access-control-allow-origin";
    for path in ["/api/v1/runs", "/api/v1/runs/foo%239", "/api/v1/audit", "/api/v1/nothing"] {
        let answer = place.send("GET", path, listed);
        assert_eq!(header(&answer, allow), Some("https://ci.example"), "{path}");
        assert_eq!(header(&answer, "vary"), Some("Origin"), "{path}");
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
        for other in [
            "https://ci.example.evil",
            "http://ci.example",
            "https://ci.example:444",
            "null",
            "https://CI.example/x",
        ] {
            let answer = place.send("GET", path, &format!("origin: {other}\r\n"));
            assert_eq!(header(&answer, allow), None, "{path} {other}");
        }
    }
    for page in ["/foo/run/1", "/login", "/metrics", "/healthz"] {
        assert_eq!(header(&place.send("GET", page, listed), allow), None, "{page}");
    }
    let preflight =
        "access-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n";
    let asked = place.send("OPTIONS", "/api/v1/runs", &format!("{listed}{preflight}"));
    assert!(status(&asked) == "204" && header(&asked, allow).is_some(), "{asked}");
    assert!(
        header(&asked, "access-control-allow-headers").is_some_and(|names| names.contains("authorization"))
    );
    let foreign =
        place.send("OPTIONS", "/api/v1/runs", &format!("origin: https://evil.example\r\n{preflight}"));
    assert!(status(&foreign) != "204" && header(&foreign, allow).is_none(), "{foreign}");
    let cancel = |lines: &str| {
        place.status_of("POST", "/api/v1/runs/foo%231/cancel", &format!("{lines}content-length: 0\r\n"))
    };
    assert_eq!(cancel(&format!("{session}{listed}")), "403", "a listed site is still another site");
    let token = bearer(&place.token("ci", "--scope runs:write,runs:read"));
    assert_eq!(cancel(&format!("{token}{listed}")), "409");
}

#[test]
fn the_user_of_a_proxy_counts_from_a_trusted_one_only() {
    let place = with_http(":trusted-proxies [\"127.0.0.0/8\"] :admins [\"root\"] :visibility :private");
    place.push();
    let get = |path: &str, lines: &str| place.status_of("GET", path, lines);
    let user = |name: &str| format!("remote-user: {name}\r\n");
    assert_eq!(get("/api/v1/repos/foo", ""), "404");
    assert_eq!(get("/api/v1/repos/foo", &user("ada")), "200");
    assert_eq!([get("/api/v1/audit", &user("ada")), get("/api/v1/audit", &user("root"))], ["403", "200"]);
    assert_eq!(get("/api/v1/repos/foo", &user("ada").repeat(2)), "400");
    assert_eq!(get("/api/v1/repos/foo", &user("a%20b c")), "400");
    let cancel = |lines: &str| {
        place.status_of("POST", "/api/v1/runs/foo%231/cancel", &format!("{lines}content-length: 0\r\n"))
    };
    assert_eq!([cancel(&user("ada")), cancel(&user("root"))], ["403", "409"]);
    assert_eq!(cancel(&format!("{}origin: https://evil.example\r\n", user("root"))), "403");
    // A token goes before the user.
    let token = bearer(&place.token("narrow", "--scope sources:read"));
    assert_eq!(get("/api/v1/audit", &format!("{token}{}", user("root"))), "403");
    let untrusted = with_http(":trusted-proxies [\"192.0.2.0/24\"] :admins [\"root\"] :visibility :private");
    assert_eq!(untrusted.status_of("GET", "/api/v1/audit", &user("root")), "401");
    assert_eq!(untrusted.status_of("GET", "/api/v1/repos/foo", &user("root")), "404");
}
