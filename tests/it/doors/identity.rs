//! Who sends a request over TCP, and what that opens.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::{PATIENCE, Place, status};

impl Place {
    /// A token with these options.
    pub(super) fn token(&self, name: &str, options: &str) -> String {
        let made = self.shell(&format!("quire token new {name} {options} 2>/dev/null"));
        made.lines().last().unwrap().to_owned()
    }

    /// The answer to a request with these lines of its head.
    pub(super) fn send(&self, method: &str, path: &str, lines: &str) -> String {
        let host = self.address();
        self.ask(
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{lines}\r\n")
                .as_bytes(),
        )
    }

    pub(super) fn status_of(&self, method: &str, path: &str, lines: &str) -> String {
        status(&self.send(method, path, lines)).to_owned()
    }

    /// The same of an answer that may have no end: only its first line is read.
    pub(super) fn first_line(&self, method: &str, path: &str, lines: &str) -> String {
        let host = self.address();
        let mut stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{lines}").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        status(&line).to_owned()
    }
}

pub(super) fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

/// The value of a header of an answer.
pub(super) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines()
        .find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name).map(|(_, value)| value))
}

#[test]
fn a_token_that_is_none_is_refused_on_every_path_also_a_public_one() {
    let place = Place::new();
    place.push();
    let (good, revoked) = (place.token("good", "--scope admin"), place.token("revoked", "--scope admin"));
    let expired = place.token("expired", "--scope admin --expires 1s");
    place.shell("quire token revoke revoked");
    for path in ["/api/v1/runs", "/foo/run/1", "/", "/login", "/nothing"] {
        for wrong in [&revoked, "qt_x", "", &good[..good.len() - 1], &format!("{good}x")] {
            assert_eq!(place.status_of("GET", path, &bearer(wrong)), "401", "{path} {wrong}");
        }
    }
    assert!(place.world.eventually(|_| place.status_of("GET", "/", &bearer(&expired)) == "401"));
    let answer = place.send("GET", "/", &bearer(&expired));
    assert!(
        answer.contains("\"code\":\"token.expired\"")
            && header(&answer, "www-authenticate") == Some("Bearer")
    );
    assert_eq!(place.status_of("GET", "/api/v1/runs", &bearer(&good)), "200");
    assert_eq!(place.status_of("GET", "/api/v1/runs", &format!("authorization: bEARER {good}\r\n")), "200");
    assert_eq!(place.status_of("GET", "/api/v1/runs", &bearer(&good).repeat(2)), "400");
    for query in ["token=x", "access_token=x", &format!("repo={good}")] {
        let answer = place.send("GET", &format!("/api/v1/runs?{query}"), "");
        assert!(status(&answer) == "400" && answer.contains("token.in-query"), "{answer}");
    }
    // Fifty in a minute; a token that is right works all the same.
    let answers: Vec<String> = (0..60).map(|_| place.status_of("GET", "/", &bearer("qt_x"))).collect();
    assert_eq!(answers.last().map(String::as_str), Some("429"));
    assert_eq!(place.status_of("GET", "/api/v1/runs", &bearer(&good)), "200");
    assert_eq!(place.status_of("GET", "/", ""), "200");
}

#[test]
fn a_browser_signs_in_once_by_link_and_changes_things_from_our_pages_only() {
    let place = Place::new();
    place.push();
    let (host, link) = (place.address(), place.shell("quire login 2>/dev/null"));
    let path = link.trim().strip_prefix(&format!("http://{host}")).unwrap();
    assert_eq!(
        place.status_of("HEAD", path, ""),
        "200",
        "a program that looks at the link does not use it up"
    );
    let answer = place.send("GET", path, "");
    let cookie = header(&answer, "set-cookie").unwrap();
    assert!(status(&answer) == "303" && header(&answer, "location") == Some("/"), "{answer}");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(part) && !cookie.contains("Secure"), "{cookie}");
    }
    assert_eq!(place.status_of("GET", path, ""), "403");
    let cookie = format!("cookie: {}\r\n", cookie.split(';').next().unwrap());
    let cancel = |lines: &str| {
        place.status_of(
            "POST",
            "/api/v1/runs/foo%231/cancel",
            &format!("{cookie}{lines}content-length: 0\r\n"),
        )
    };
    let own = format!("origin: http://{host}\r\n");
    assert_eq!([cancel(&own).as_str(), &cancel("sec-fetch-site: same-origin\r\n")], ["409"; 2]);
    for foreign in [
        "",
        "origin: null\r\n",
        "origin: http://evil.example\r\n",
        "sec-fetch-site: none\r\n",
        "sec-fetch-site: same-site\r\n",
    ] {
        assert_eq!(cancel(foreign), "403", "{foreign}");
    }
    assert_eq!(cancel(&format!("{own}sec-fetch-site: cross-site\r\n")), "403");
    assert_eq!(place.status_of("GET", "/api/v1/notifications", &cookie), "200");
    assert_eq!(place.status_of("POST", "/logout", &format!("{cookie}content-length: 0\r\n")), "403");
    assert_eq!(place.status_of("POST", "/logout", &format!("{cookie}{own}content-length: 0\r\n")), "303");
    assert_eq!(place.status_of("GET", "/api/v1/notifications", &cookie), "401");
    // With a token; the session ends with it.
    let token = place.token("ada", "--scope admin");
    let sign_in = |token: &str, lines: &str| {
        let body = format!("token={token}");
        let length = body.len();
        let head =
            format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n{lines}");
        place.send("POST", "/login", &format!("{head}\r\n{body}"))
    };
    assert_eq!(status(&sign_in(&token, "origin: http://evil.example\r\n")), "403");
    assert_eq!(status(&sign_in("qt_x", &own)), "401");
    let answer = sign_in(&token, &own);
    let cookie = format!("cookie: {}\r\n", header(&answer, "set-cookie").unwrap().split(';').next().unwrap());
    assert_eq!(place.status_of("GET", "/api/v1/notifications", &cookie), "200");
    place.shell("quire token revoke ada");
    assert_eq!(place.status_of("GET", "/api/v1/notifications", &cookie), "401");
}

#[test]
fn what_is_private_looks_missing_and_browsers_can_sign_in() {
    let place = Place::new();
    place.push();
    place.shell("quire repo new bar");
    let admin = bearer(&place.token("admin", "--scope repos:write,repos:read,runs:read,logs:read"));
    let body = "{\"visibility\":\"private\"}";
    let patch =
        format!("{admin}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(place.status_of("PATCH", "/api/v1/repos/foo", &patch), "200");
    let body_of = |path: &str, lines: &str| {
        let answer = place.send("GET", path, lines);
        (status(&answer).to_owned(), answer.split_once("\r\n\r\n").unwrap().1.replace("foo", "none"))
    };
    for path in ["/foo/run/1", "/api/v1/repos/foo", "/api/v1/runs/foo%231", "/api/v1/runs?repo=foo"] {
        for lines in ["", "accept: text/html\r\n"] {
            let (private, missing) = (body_of(path, lines), body_of(&path.replace("foo", "none"), lines));
            assert!(private == missing && private.0 == "404", "{path}: {private:?} {missing:?}");
            assert_eq!(
                private.1.contains("<form method=\"post\" action=\"/login\">"),
                !lines.is_empty(),
                "{path}"
            );
        }
        assert_eq!(body_of(path, &admin).0, "200", "{path}");
    }
    let form = place.send("GET", "/login", "");
    let policy = header(&form, "content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self'") && policy.contains("default-src 'none'"), "{policy}");
    assert!(!form.contains("<script"));
    let answer = place.send("GET", "/api/v1/watches", "accept: text/html\r\n");
    assert!(status(&answer) == "401" && answer.contains("<form"), "{answer}");
}

/// A method and path of the API with something in each of its places.
pub(super) fn requests(
    document: &serde_json::Value,
    repo: &str,
) -> BTreeMap<(String, String), Vec<serde_json::Value>> {
    let mut requests = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let run = format!("{repo}%231");
            let places = [
                ("{repo}", repo),
                ("{run}", run.as_str()),
                ("{job}", "t"),
                ("{name}", "none"),
                ("{id}", "1"),
                ("{path}", "x"),
                ("{key}", "none"),
            ];
            let filled = places.iter().fold(path.clone(), |path, (place, value)| path.replace(place, value));
            assert!(!filled.contains('{'), "{path} has a place that this test does not know");
            let security = operation["security"].as_array().cloned().unwrap_or_default();
            requests.insert((method.to_uppercase(), filled), security);
        }
    }
    requests
}

/// Every route of the OpenAPI document, by who asks, and what the repository is: a route says there which scopes it needs.
#[test]
#[expect(clippy::too_many_lines, reason = "one table: route, scope, repository, visibility")]
fn every_route_asks_for_the_scopes_that_its_description_names() {
    let place = Place::new();
    place.push();
    let get = place.send("GET", "/api/v1/openapi.json", "");
    let document: serde_json::Value = serde_json::from_str(get.split_once("\r\n\r\n").unwrap().1).unwrap();
    let scopes = [
        "repos:read",
        "repos:write",
        "runs:read",
        "runs:write",
        "logs:read",
        "secrets:read",
        "sources:read",
        "sources:write",
        "admin",
    ];
    let tokens: BTreeMap<&str, String> = scopes
        .iter()
        .map(|scope| (*scope, bearer(&place.token(&scope.replace(':', "-"), &format!("--scope {scope}")))))
        .collect();
    let all = bearer(&place.token("all", &format!("--scope {}", scopes.join(","))));
    place.shell("quire repo new other");
    let of_other = bearer(
        &place.token("other", "--scope repos:read,repos:write,runs:read,runs:write,logs:read --repo other"),
    );
    let set = |visibility: &str| {
        let body = format!("{{\"visibility\":\"{visibility}\"}}");
        let lines =
            format!("{all}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        assert_eq!(place.status_of("PATCH", "/api/v1/repos/foo", &lines), "200");
    };
    for visibility in ["public", "unlisted", "private"] {
        set(visibility);
        let mut count = 0;
        for ((method, path), security) in requests(&document, "foo") {
            // What cannot be read as a body: every request that is let in ends there, or changes nothing.
            let lines = if method == "GET" {
                "last-event-id: 999999\r\n"
            } else {
                "content-type: text/plain\r\ncontent-length: 1\r\n\r\nx"
            };
            let answer = |identity: &str| {
                let (head, body) = lines.split_once("\r\n\r\n").unwrap_or((lines, ""));
                let head = head.trim_end();
                place.first_line(&method, &path, &format!("{identity}{head}\r\n\r\n{body}"))
            };
            let is_open = security.iter().any(|one| one.as_object().is_none_or(serde_json::Map::is_empty));
            let needed: Vec<&str> = security
                .iter()
                .flat_map(|one| one["token"].as_array().into_iter().flatten())
                .filter_map(|scope| scope.as_str())
                .collect();
            if needed.is_empty() {
                continue;
            }
            count += 1;
            let is_of_repo = path.contains("/foo");
            let is_private = visibility == "private" && is_of_repo;
            let place = format!("{visibility} {method} {path} {needed:?}");
            let nobody = answer("");
            if !is_open {
                assert_eq!(nobody, "401", "{place}: nobody");
            } else if is_private {
                assert!(["404"].contains(&nobody.as_str()), "{place}: nobody {nobody}");
            } else {
                assert!(!["401", "403"].contains(&nobody.as_str()), "{place}: nobody {nobody}");
            }
            if method == "DELETE" && is_of_repo {
                continue; // it takes no body, and would be done
            }
            let everything = answer(&all);
            assert!(
                !["401", "403"].contains(&everything.as_str()) && !everything.starts_with('5'),
                "{place}: all {everything}"
            );
            if is_private {
                let other = answer(&of_other);
                assert!(
                    ["404", "403", "400", "415"].contains(&other.as_str()),
                    "{place}: a token of another repository {other}"
                );
            }
            for scope in scopes.iter().filter(|scope| !needed.contains(scope)) {
                let status = answer(&tokens[scope]);
                let refused = if is_open && !is_private {
                    status != "403" || is_of_repo
                } else {
                    ["403", "404", "400", "415"].contains(&status.as_str())
                };
                assert!(refused, "{place}: {scope} {status}");
            }
        }
        assert!(count >= 15, "only {count} routes");
    }
}
