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
        ("/foo/run/1", "200"),
        ("/foo/run", "200"),
        ("/foo/ci", "200"),
        ("/-/admin", "401"),
        ("/foo/run/1/job/t", "200"),
        ("/foo/run/1/search?q=x", "200"),
        ("/foo/run/1/job/none", "404"),
        ("/foo/run/2", "404"),
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
    for path in [
        "/foo/runs",
        "/foo/run/1",
        "/foo/run/1/job/t",
        "/foo/run/1/job/t.log",
        "/foo/run/1/events",
        "/foo/run/1.json",
        "/foo/run/latest",
        "/foo/runs?ref=main",
        "/foo",
    ] {
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

/// Pushes this pipeline, and waits for its run.
fn push_pipeline(place: &Place, pipeline: &str) {
    std::fs::write(
        place.world.path().join("foo/.quire/ci.fnl"),
        format!("(local ci (require :quire.ci))\n{pipeline}"),
    )
    .unwrap();
    place.shell("cd foo && git commit -qam next && git push -q -o ci.wait origin HEAD:main 2>&1");
}

#[test]
fn a_failed_run_says_why_with_the_numbers_of_its_lines() {
    let place = Place::new();
    push_pipeline(
        &place,
        "(ci:job :build [:quire/push] (fn [] (sh \"seq 1 30\")))
         (ci:job :test [:build] (fn [] (sh \"seq 31 60\") (sh \"echo '<b>fine</b>'; printf '\\\\033[31mbroken\\\\033[0m\\\\n'; exit 3\")))
         (ci:job :after [:test] (fn [] (sh \"true\")))",
    );
    let run = place.send("GET", "/foo/run/1", HTML);
    for part in [
        "Why it failed",
        "href=\"/foo/run/1/job/test#L32\"",
        "exit 3",
        "&lt;b&gt;fine&lt;/b&gt;",
        "<span class=\"f1\">broken</span>",
        "data-job=\"after\"",
        "class=\"graph\"",
        "class=\"fall\"",
        "quire rerun 'foo#1' --failed",
    ] {
        assert!(run.contains(part), "{part}\n{run}");
    }
    assert!(!run.contains("<form method=\"post\""), "nobody has buttons: {run}");
    let job = place.send("GET", "/foo/run/1/job/test", HTML);
    for part in [
        "<li id=L1>31\n",
        "<li id=L31>&lt;b&gt;fine",
        "<li id=L32>",
        "<details class=step data-step=2 open>",
        "<details class=step data-step=1>",
    ] {
        assert!(body(&job).contains(part), "{part}\n{job}");
    }
    let found = place.send("GET", "/foo/run/1/search?q=BROKEN", HTML);
    assert!(found.contains("/job/test#L32") && !found.contains("/job/build#"), "{found}");
    let raw = place.send("GET", "/foo/run/1/job/test.log", "range: bytes=0-4\r\n");
    assert!(raw.starts_with("HTTP/1.1 206") && body(&raw) == "31\n32" && raw.contains("text/plain"), "{raw}");
    let events = place.send("GET", "/foo/run/1/events?job=test&after=30&follow=0", "");
    assert!(events.contains("event: log\r\n") || events.contains("event: log\n"), "{events}");
    assert!(
        events.contains("id: 32\n") && !events.contains("id=L30>") && events.contains("event: end"),
        "{events}"
    );
    for picture in ["graph", "waterfall"] {
        let svg = place.send("GET", &format!("/foo/run/1/{picture}.svg"), "");
        assert!(
            svg.contains("image/svg+xml") && svg.contains("sandbox") && body(&svg).contains("xmlns"),
            "{svg}"
        );
    }
    let latest = place.send("GET", "/foo/run/latest?ref=main", "");
    assert!(status(&latest) == "302" && header(&latest, "location") == Some("/foo/run/1"), "{latest}");
}

#[test]
fn buttons_are_for_who_may_press_them_and_come_from_our_pages_only() {
    let place = Place::new();
    push_pipeline(&place, "(ci:job :t [:quire/push] (fn [] (sh \"exit 1\")))");
    let cookie = super::origins::cookie(&place);
    let page = place.send("GET", "/foo/run/1", &format!("{cookie}{HTML}"));
    assert!(page.contains("Re-run failed") && page.contains("action=\"/foo/run/1/rerun\""), "{page}");
    let press = |path: &str, fields: &str, lines: &str| {
        let length = fields.len();
        let head =
            format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n{lines}");
        place.send("POST", path, &format!("{head}\r\n{fields}"))
    };
    let own = format!("{cookie}sec-fetch-site: same-origin\r\n");
    assert_eq!(status(&press("/foo/run/1/rerun", "failed=1", "")), "401");
    assert_eq!(status(&press("/foo/run/1/rerun", "failed=1", &cookie)), "403", "not from our page");
    assert_eq!(status(&press("/foo/run/9/rerun", "", &own)), "404");
    assert_eq!(status(&press("/foo/run/1/cancel", "", &own)), "409", "it has ended");
    let pressed = press("/foo/run/1/rerun", "job=t", &own);
    assert!(status(&pressed) == "303" && header(&pressed, "location") == Some("/foo/run/2"), "{pressed}");
    place.shell("quire wait 'foo#2' >/dev/null || true");
    let page = place.send("GET", "/foo/run/2", &format!("{cookie}{HTML}"));
    assert!(page.contains("Repeats <a href=\"/foo/run/1\""), "{page}");
    // A run that has not ended has another button.
    let gate = place.push_gated("main");
    assert!(place.world.eventually(|_| place.send("GET", "/foo/run/3", HTML).contains("running")));
    assert!(place.send("GET", "/foo/run/3", &format!("{cookie}{HTML}")).contains("Cancel run"));
    let pressed = press("/foo/run/3/cancel", "", &own);
    assert_eq!((status(&pressed), header(&pressed, "location")), ("303", Some("/foo/run/3")));
    place.shell("quire wait 'foo#3' >/dev/null || true");
    assert!(place.send("GET", "/foo/run/3", HTML).contains("cancelled"));
    drop(gate);
}

#[test]
fn pages_of_the_operator_are_for_admins_and_their_buttons_work() {
    let place = Place::new();
    place.push();
    let (cookie, reader) =
        (super::origins::cookie(&place), bearer(&place.token("reader", "--scope repos:read")));
    for word in ["", "/watches", "/outbox", "/tokens", "/audit", "/doctor"] {
        let path = format!("/-/admin{word}");
        let page = place.send("GET", &path, &format!("{cookie}{HTML}"));
        assert_eq!(status(&page), "200", "{path}\n{page}");
        expect_inert(body(&page).replace("http://127.0.0.1", "").as_str(), &path);
        assert_eq!(place.status_of("GET", &path, &format!("{reader}{HTML}")), "403", "{path}");
        assert_eq!(place.status_of("GET", &path, HTML), "401", "{path}");
    }
    assert_eq!(place.status_of("GET", "/-/admin/none", &format!("{cookie}{HTML}")), "404");
    assert!(place.send("GET", "/-/admin/tokens", &format!("{cookie}{HTML}")).contains("reader"));
    let own = format!("{cookie}sec-fetch-site: same-origin\r\n");
    let press = |fields: &str, lines: &str| {
        let head = "content-type: application/x-www-form-urlencoded\r\ncontent-length:";
        status(&place.send(
            "POST",
            "/-/admin/tokens",
            &format!("{lines}{head} {}\r\n\r\n{fields}", fields.len()),
        ))
        .to_owned()
    };
    assert_eq!(press("name=reader", &reader), "403");
    assert_eq!(press("name=reader", &cookie), "403", "not from our page");
    assert_eq!(press("name=reader", &own), "303");
    assert_eq!(place.status_of("GET", "/-/admin", &reader), "401", "the token was revoked");
}

#[test]
fn a_form_starts_a_job_with_its_typed_arguments() {
    let place = Place::new();
    let shape = "{:env {:enum [\"staging\" \"prod\"] :required true} :count {:type :integer :default 2} :tags {:type :array} :token {:secret true}}";
    push_pipeline(
        &place,
        &format!(
            "(ci:job :t [:quire/push] (fn [] (sh \"true\")))
             (ci:job :deploy [(ci.manual {shape})] (fn [{{: args}}] (sh [\"echo\" args.env (tostring args.count) (table.concat (or args.tags []) \"+\")])))"
        ),
    );
    let cookie = super::origins::cookie(&place);
    assert!(!place.send("GET", "/foo/run", HTML).contains("arg.env"), "nobody has forms");
    let page = place.send("GET", "/foo/run", &format!("{cookie}{HTML}"));
    for part in [
        "name=\"arg.env\" required",
        "<option>staging",
        "type=\"number\"",
        "<textarea",
        "type=\"password\"",
        "value=\"2\"",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let start = |fields: &str| {
        let own = format!(
            "{cookie}sec-fetch-site: same-origin\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        );
        place.send("POST", "/foo/run", &format!("{own}content-length: {}\r\n\r\n{fields}", fields.len()))
    };
    for wrong in ["job=deploy", "job=deploy&arg.env=other", "job=deploy&arg.env=prod&arg.count=x", "job=none"]
    {
        assert_eq!(status(&start(wrong)), "422", "{wrong}");
    }
    let started = start("job=deploy&arg.env=prod&arg.count=3&arg.tags=a%0D%0Ab+c&arg.token=hunter22");
    assert_eq!((status(&started), header(&started, "location")), ("303", Some("/foo/run/2")), "{started}");
    place.shell("quire wait 'foo#2' >/dev/null");
    let log = place.send("GET", "/foo/run/2/job/deploy.log", "");
    assert!(log.contains("prod 3 a+b c"), "{log}");
    let ci = place.send("GET", "/foo/ci", HTML);
    assert!(ci.contains("data-job=\"t\"") && ci.contains("100 % of 1"), "{ci}");
}
