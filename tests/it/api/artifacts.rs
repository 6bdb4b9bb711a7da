//! Artifacts over HTTP: the list, the file, who may have them, and what a page shows of them.

use std::fs;

use serde_json::json;

use super::{Answer, Api, Door, request};

const PIPELINE: &str = r#"(local ci (require :quire.ci))
(ci.job :make [:quire/push] {:artifacts ["r.xml"]}
  (fn [{: artifact : sh}]
    (sh "printf 0123456789 > 'a \"b\".txt'; mkdir -p d/e; echo '<script>alert(1)</script>' > d/e/x.html")
    (sh "printf '<testsuite name=\"s\"><testcase name=\"&lt;img src=x&gt;\"><failure message=\"&lt;script&gt;boom\"/></testcase><testcase/></testsuite>' > r.xml")
    (artifact "a \"b\".txt" {:keep-days 7})
    (artifact "d" {:as "\u{e9}"})))
"#;

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

/// A server with `foo#2`, whose job has kept three files.
fn scene() -> Api {
    let api = Api::new();
    let pipeline = PIPELINE.replace("\\u{e9}", "é");
    fs::write(api.world.path().join("foo/.quire/ci.fnl"), pipeline).unwrap();
    api.shell("cd foo && git commit -qam two && git push -q -o ci.wait origin HEAD:main 2>&1");
    api
}

#[test]
fn the_list_and_the_file_are_given_over_both_doors() {
    let api = scene();
    for door in Door::BOTH {
        let list = api.get(door, "/runs/foo%232/artifacts").json();
        let paths: Vec<_> =
            list.as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["a \"b\".txt", "é/e/x.html", "r.xml"]);
        assert!(list[0]["expires_at"].is_string() && list[1]["expires_at"].is_null());
        assert_eq!(list[2]["tests"]["failing"][0]["message"], "<script>boom");
        let sha = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
        assert_eq!((&list[0]["size_bytes"], &list[0]["sha256"]), (&json!(10), &json!(sha)));
        let target = "/runs/foo%232/artifacts/a%20%22b%22.txt";
        let whole = api.get(door, target);
        assert_eq!((whole.status, whole.body.as_slice()), (200, &b"0123456789"[..]));
        assert_eq!(header(&whole, "etag"), format!("\"{sha}\""));
        assert_eq!(
            header(&whole, "content-disposition"),
            "attachment; filename=\"a _b_.txt\"; filename*=UTF-8''a%20%22b%22.txt"
        );
        assert!(header(&whole, "content-security-policy").contains("sandbox"));
        assert_eq!(header(&whole, "x-content-type-options"), "nosniff");
        let send = |headers: &[(&str, &str)]| api.send(door, ("GET", target), headers, b"");
        let part = send(&[("range", "bytes=2-4")]);
        assert_eq!((part.status, part.body.as_slice()), (206, &b"234"[..]));
        assert_eq!(header(&part, "content-range"), "bytes 2-4/10");
        assert_eq!(send(&[("range", "bytes=10-")]).status, 416);
        assert_eq!(send(&[("if-none-match", &format!("\"{sha}\""))]).status, 304);
        assert_eq!(send(&[("range", "bytes=0-1"), ("if-range", "\"other\"")]).status, 200);
        for wrong in ["x", "..%2F..%2Fjournal.ndjson", "a", "%00", sha] {
            let answer = api.get(door, &format!("/runs/foo%232/artifacts/{wrong}"));
            assert_eq!(answer.status, 404, "{wrong}");
        }
        let run = api.get(door, "/runs/foo%232").json();
        assert_eq!((&run["tests"]["failed"], &run["tests"]["passed"]), (&json!(1), &json!(1)));
        assert!(run["tests"]["failing"][0].get("message").is_none(), "it is output");
    }
    // A file that somebody has removed, or changed.
    let folder = api.world.path().join("data/runs/foo.git/2/artifacts");
    for entry in fs::read_dir(&folder).unwrap() {
        fs::write(entry.unwrap().path(), "other").unwrap();
    }
    let gone = api.get(Door::Tcp, "/runs/foo%232/artifacts/r.xml");
    assert_eq!((gone.status, &gone.json()["code"]), (410, &json!("artifact.gone")));
}

#[test]
fn an_artifact_is_an_event_and_is_on_the_page() {
    let api = scene();
    let accept = [("accept", "application/x-ndjson")];
    let events = api.send(Door::Socket, ("GET", "/runs/foo%232/events"), &accept, b"");
    let events = String::from_utf8(events.body).unwrap();
    assert_eq!(events.matches("\"artifact.saved\"").count(), 3, "{events}");
    let page = |path: &str| {
        let html = [("accept", "text/html")];
        api.raw(Door::Tcp, &request(("GET", path), api.address(), &html, b""))
    };
    let run = String::from_utf8(page("/foo/run/2").body).unwrap();
    assert!(
        run.contains("/foo/run/2/artifact/a%20%22b%22.txt") && run.contains("1 failed, 1 passed"),
        "{run}"
    );
    assert!(run.contains("&#60;script&#62;boom") || run.contains("&lt;script&gt;boom"), "{run}");
    assert!(!run.contains("<script>boom") && !run.contains("<img src=x"), "{run}");
    let file = page("/foo/run/2/artifact/%C3%A9/e/x.html");
    assert_eq!((file.status, header(&file, "content-type")), (200, "application/octet-stream"));
    assert!(header(&file, "content-disposition").starts_with("attachment"));
    assert_eq!(page("/foo/run/2/artifact/nothing").status, 404);
}

#[test]
fn what_a_run_has_kept_is_no_more_visible_than_its_logs() {
    let api = scene();
    let set = |body| assert_eq!(api.with_json(Door::Socket, "PATCH", "/repos/foo", &body).status, 200);
    set(json!({"visibility": "public", "log_visibility": "private"}));
    let (list, file) = ("/runs/foo%232/artifacts", "/runs/foo%232/artifacts/r.xml");
    for target in [list, file] {
        assert_eq!(api.get(Door::Tcp, target).status, 401, "{target}");
        assert_eq!(api.get(Door::Socket, target).status, 200, "{target}");
    }
    let html = [("accept", "text/html")];
    let page = |path: &str| api.raw(Door::Tcp, &request(("GET", path), api.address(), &html, b""));
    let run = String::from_utf8(page("/foo/run/2").body).unwrap();
    assert!(!run.contains("artifact") && !run.contains("boom"), "{run}");
    assert_eq!(page("/foo/run/2/artifact/r.xml").status, 401);
    set(json!({"visibility": "private"}));
    for target in [list, file] {
        assert_eq!(api.get(Door::Tcp, target).status, 404, "{target}");
    }
}
