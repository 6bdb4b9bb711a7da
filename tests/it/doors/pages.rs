//! Pages for browsers: their frame, their headers, and who sees what.

use super::identity::{bearer, header};
use super::{Place, status};

pub(super) const HTML: &str = "accept: text/html,application/xhtml+xml\r\n";

/// The body of an answer.
pub(super) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// Checks that nothing of a page is active but the script of the server, and that it has its landmarks.
fn expect_inert(page: &str, path: &str) {
    for forbidden in [
        "<style",
        " style=",
        " onclick",
        " onload",
        " onerror",
        "javascript:",
        "<script>",
        "<iframe",
        "<base",
    ] {
        assert!(!page.contains(forbidden), "{path} has {forbidden}:\n{page}");
    }
    for (what, count) in [("<h1", 1), ("<main", 1), ("</html>", 1), ("<body", 1), ("href=\"#main\"", 1)] {
        assert_eq!(page.matches(what).count(), count, "{path}: {what}\n{page}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "{path} names another site:\n{page}");
}

#[test]
fn every_page_is_inert_and_its_assets_are_kept_for_good() {
    let place = Place::new();
    place.push();
    for (path, expected) in [
        ("/", "200"),
        ("/queue", "200"),
        ("/foo/runs", "200"),
        ("/login", "200"),
        ("/nothing/runs", "404"),
        ("/foo/", "404"),
    ] {
        let answer = place.send("GET", path, HTML);
        assert_eq!(status(&answer), expected, "{path}\n{answer}");
        let policy = header(&answer, "content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{path}: {policy}");
        }
        let others = [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ];
        for (name, value) in others {
            assert_eq!(header(&answer, name), Some(value), "{path}: {name}");
        }
        expect_inert(body(&answer), path);
    }
    let front = place.send("GET", "/", HTML);
    let assets: Vec<&str> = body(&front).split('"').filter(|part| part.starts_with("/-/")).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for asset in assets {
        let answer = place.send("GET", asset, "");
        assert!(
            status(&answer) == "200" && header(&answer, "cache-control").unwrap().starts_with("public"),
            "{answer}"
        );
        let small = place.send("GET", asset, "accept-encoding: gzip\r\n");
        assert_eq!(header(&small, "content-encoding"), Some("gzip"), "{asset}");
        assert!(asset.contains("icon") || header(&answer, "cache-control").unwrap().ends_with("immutable"));
    }
    assert_eq!(place.status_of("GET", "/-/app.0000000000000000.js", ""), "404");
    assert!(place.get("/robots.txt").contains("Disallow: /*/blame/"));
}

#[test]
fn a_program_reads_text_where_a_browser_reads_a_page() {
    let place = Place::new();
    place.push();
    for accept in ["", "accept: */*\r\n", "accept: text/plain\r\n"] {
        let page = place.send("GET", "/foo/run/1", accept);
        assert!(page.contains("run foo#1: passed") && page.contains("text/plain"), "{page}");
        assert!(place.send("GET", "/", accept).contains("/REPOSITORY/run/NUMBER"));
    }
    let front = place.send("GET", "/", HTML);
    assert!(front.contains("data-repo=\"foo\"") && front.contains("passed"), "{front}");
    let runs = place.send("GET", "/foo/runs", HTML);
    assert!(runs.contains("data-run=\"1\"") && runs.contains("href=\"/foo/run/1\""), "{runs}");
    for (filter, is_there) in [
        ("ref=main", true),
        ("ref=other", false),
        ("state=passed", true),
        ("state=failed", false),
        ("job=t", true),
    ] {
        let found = place.send("GET", &format!("/foo/runs?{filter}"), HTML);
        assert_eq!(found.contains("data-run=\"1\""), is_there, "{filter}\n{found}");
    }
    assert_eq!(place.status_of("GET", "/foo/runs?state=well", HTML), "400");
}

#[test]
fn a_page_of_a_private_repository_is_like_that_of_a_missing_one() {
    let place = Place::new();
    place.push();
    let admin = bearer(&place.token("admin", "--scope repos:read,repos:write,runs:read,logs:read"));
    let json = "{\"visibility\":\"private\"}";
    let patch =
        format!("{admin}content-type: application/json\r\ncontent-length: {}\r\n\r\n{json}", json.len());
    assert_eq!(place.status_of("PATCH", "/api/v1/repos/foo", &patch), "200");
    let stranger = bearer(&place.token("stranger", "--scope sources:read"));
    for path in ["/foo/runs", "/foo/run/1", "/foo/run/latest", "/foo/runs?ref=main", "/foo"] {
        for who in ["", &stranger] {
            for kind in ["", HTML] {
                let lines = format!("{who}{kind}");
                let of = |path: &str| {
                    let answer = place.send("GET", path, &lines);
                    (status(&answer).to_owned(), body(&answer).to_owned())
                };
                let (private, missing) = (of(path), of(&path.replace("foo", "none")));
                assert!(private == missing && private.0 == "404", "{path}: {private:?}\n{missing:?}");
            }
        }
        assert_ne!(place.status_of("GET", path, &format!("{admin}{HTML}")), "404", "{path}");
    }
    assert!(!place.send("GET", "/", HTML).contains("data-repo"));
    assert!(!place.send("GET", "/queue", &format!("{stranger}{HTML}")).contains("foo#"));
    assert!(place.send("GET", "/", &format!("{admin}{HTML}")).contains("data-repo=\"foo\""));
}
