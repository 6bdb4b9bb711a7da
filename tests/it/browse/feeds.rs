//! Feeds, badges, and who may see them.

use super::markup::{all_text, read};
use super::{Site, text};

fn pushed() -> Site {
    let site = Site::new();
    site.shell(
        "git init -q c && cd c && git remote add origin $T/data/repos/foo.git && mkdir .quire &&
         echo '(local ci (require :quire.ci)) (ci:job :good [:quire/push] (fn [] (sh \"true\")))
               (ci:job :bad [:quire/push] (fn [] (sh \"test -f fine\")))' >.quire/ci.fnl &&
         git add -A && git commit -qm 'Not fine' && git push -q -o ci.wait origin HEAD:main &&
         touch fine && git add -A && git commit -qm 'All fine' && git push -q -o ci.wait origin HEAD:other",
    );
    site
}

#[test]
fn feeds_and_badges_say_how_branches_are() {
    let site = pushed();
    let document = |path: &str, kind: &str| {
        let answer = site.answer(path, &[]);
        assert_eq!((answer.status, answer.kind()), (200, kind), "{path}\n{}", text(&answer));
        read(&text(&answer));
        text(&answer)
    };
    let atom = "application/atom+xml";
    let commits = document("/foo/commits.atom", atom);
    assert!(commits.contains("<title>Not fine</title>") && !commits.contains("All fine"), "{commits}");
    assert!(document("/foo/commits.atom?ref=other", atom).contains("All fine"));
    let all = document("/foo/runs.atom", atom);
    assert!(all.contains("foo#1 failed on main") && all.contains("foo#2 passed on other"), "{all}");
    let failed = document("/foo/runs.atom?state=failed", atom);
    assert!(failed.contains("foo#1") && !failed.contains("foo#2"), "{failed}");
    assert!(
        document("/feed.atom", atom).contains("foo#2")
            && document("/feed.atom?state=failed", atom).contains("foo#1")
    );
    assert_eq!(site.status("/foo/runs.atom?state=odd"), 400);
    for (query, word) in [
        ("", "CI: failed"),
        ("?ref=main", "CI: failed"),
        ("?ref=other", "CI: passed"),
        ("?job=good", "good: passed"),
        ("?job=bad", "bad: failed"),
        ("?ref=other&job=bad", "bad: passed"),
        ("?ref=none", "CI: unknown"),
        ("?job=none", "none: unknown"),
        ("?ref=--all", "CI: unknown"),
    ] {
        let badge = document(&format!("/foo/badge.svg{query}"), "image/svg+xml");
        assert!(badge.contains(&format!("<title>{word}</title>")), "{query} {badge}");
    }
    let answer = site.answer("/foo/badge.svg", &[]);
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    let known = answer.header("etag").unwrap();
    assert_eq!(site.answer("/foo/badge.svg", &[("if-none-match", known)]).status, 304);
    assert_eq!(site.answer("/foo/badge.svg?ref=other", &[("if-none-match", known)]).status, 200);
    let cc = document("/cc.xml", "application/xml");
    assert!(cc.contains("name=\"foo\"") && cc.contains("lastBuildStatus=\"Failure\""), "{cc}");
}

#[test]
fn what_is_private_is_like_what_is_missing_on_every_page() {
    let site = pushed();
    let id = site.git("rev-parse main");
    let token =
        site.shell("quire token new t --scope repos:write,repos:read,runs:read 2>/dev/null | tail -n 1");
    let bearer = format!("Bearer {}", token.trim());
    let patch = super::request(
        ("PATCH", "/api/v1/repos/foo"),
        &site.address,
        &[("authorization", &bearer), ("content-type", "application/json")],
        b"{\"visibility\":\"private\"}",
    );
    assert_eq!(super::exchange(super::connect_tcp(&site.address), &patch).status, 200);
    let pages = [
        "",
        "/tree/main",
        "/blob/main/.quire/ci.fnl",
        "/raw/main/.quire/ci.fnl",
        "/blame/main/.quire/ci.fnl",
        "/log/main",
        "/refs",
        "/commit/ID",
        "/commit/ID.patch",
        "/commit/ID.diff",
        "/compare/main..other",
        "/search?q=x",
        "/archive/main.tar.gz",
        "/archive/main.zip",
        "/badge.svg",
        "/badge.svg?job=good",
        "/commits.atom",
        "/tags.atom",
        "/runs.atom",
        "/tree/none",
        "/runs.atom?state=odd",
    ];
    for page in pages.map(|page| page.replace("ID", &id)) {
        for accept in ["*/*", "text/html"] {
            let of = |repo: &str| {
                let answer = site.answer(&format!("/{repo}{page}"), &[("accept", accept)]);
                let headers: Vec<_> = answer
                    .headers
                    .iter()
                    .filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"))
                    .cloned()
                    .collect();
                (answer.status, headers, text(&answer))
            };
            let private = of("foo");
            assert_eq!(private, of("nothing"), "{page}");
            assert_eq!(private.0, 404, "{page}");
        }
        let is_there = !page.contains("none") && !page.contains("odd");
        let answer = site.answer(&format!("/foo{page}"), &[("authorization", &bearer)]);
        assert_eq!(answer.status == 200, is_there, "{page}\n{}", text(&answer));
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{page}");
    }
    for path in ["/cc.xml", "/feed.atom"] {
        assert!(!text(&site.answer(path, &[])).contains("foo"), "{path}");
        assert!(text(&site.answer(path, &[("authorization", &bearer)])).contains("foo"), "{path}");
    }
    // Who may read the code and not the runs sees no verdict.
    let token = site.shell("quire token new r --scope repos:read 2>/dev/null | tail -n 1");
    let reader = format!("Bearer {}", token.trim());
    for path in [
        "/foo",
        "/foo/refs",
        "/foo/log/main",
        "/foo/badge.svg",
        "/foo/runs.atom",
        &format!("/foo/commit/{id}"),
    ] {
        let answer = site.answer(path, &[("authorization", &reader), ("accept", "text/html")]);
        assert_eq!(answer.status, 200, "{path}");
        assert!(!all_text(&text(&answer)).contains("failed"), "{path}");
    }
}
