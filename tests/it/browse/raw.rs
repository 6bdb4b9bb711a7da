//! Files, archives and patches as they are.

use super::{Import, Site, text};

fn filled() -> Site {
    let mut import = Import::default();
    let files: [(&[u8], &str, &[u8]); 6] = [
        (b"page.html", "100644", b"<script>alert(1)</script>"),
        (b"pic.svg", "100644", b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>"),
        (b"pic.png", "100644", b"\x89PNG\r\n\x1a\n\0\0"),
        (b"zip", "100644", b"PK\0\0"),
        (b"x.js", "100644", b"alert(1)"),
        ("ä \"\n;.bin".as_bytes(), "100644", b"\0"),
    ];
    import.commit(b"main", (b"Ada", b"First"), &files);
    Site::of(&import)
}

#[test]
fn a_raw_file_is_never_run_by_a_browser() {
    let site = filled();
    for (name, media_type, is_download) in [
        ("page.html", "text/plain", false),
        ("pic.svg", "text/plain", false),
        ("x.js", "text/plain", false),
        ("pic.png", "image/png", true),
        ("zip", "application/octet-stream", true),
        ("%C3%A4%20%22%0A;.bin", "application/octet-stream", true),
    ] {
        let answer = site.answer(&format!("/foo/raw/main/{name}"), &[]);
        assert_eq!((answer.status, answer.kind()), (200, media_type), "{name}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("content-security-policy").unwrap().contains("sandbox"));
        assert!(answer.header("x-robots-tag").unwrap().contains("noindex"));
        let disposition = answer.header("content-disposition");
        assert_eq!(
            disposition.is_some_and(|value| value.starts_with("attachment; filename*=UTF-8''")),
            is_download
        );
        // Once more with its tag.
        let known = answer.header("etag").unwrap();
        assert_eq!(site.answer(&format!("/foo/raw/main/{name}"), &[("if-none-match", known)]).status, 304);
    }
}

#[test]
fn what_has_an_id_in_its_address_is_kept_for_good_when_everybody_may_read_it() {
    let site = filled();
    let id = site.git("rev-parse main");
    let kept = |path: &str, headers: &[(&str, &str)]| {
        site.answer(path, headers).header("cache-control").unwrap_or_default().to_owned()
    };
    let html = [("accept", "text/html")];
    for path in [
        "raw/ID/x.js",
        "archive/ID.zip",
        "commit/ID.patch",
        "commit/ID.diff",
        "blob/ID/x.js",
        "tree/ID",
        "blame/ID/x.js",
        "log/ID",
    ] {
        let path = |id: &str| format!("/foo/{}", path.replace("ID", id));
        // A page that had no time for its colours or last changes is not kept.
        let is_kept = || kept(&path(&id), &html).ends_with("immutable");
        assert!(site.world.eventually(|_| is_kept()), "{}", path(&id));
        for other in ["main", &id[..10]] {
            assert!(!kept(&path(other), &html).contains("max-age"), "{}", path(other));
        }
    }
    let token = site.shell("quire token new t --scope repos:read,repos:write 2>/dev/null | tail -n 1");
    let bearer = format!("Bearer {}", token.trim());
    assert_eq!(kept(&format!("/foo/tree/{id}"), &[html[0], ("authorization", &bearer)]), "no-store");
    let patch = super::request(
        ("PATCH", "/api/v1/repos/foo"),
        &site.address,
        &[("authorization", &bearer), ("content-type", "application/json")],
        b"{\"visibility\":\"unlisted\"}",
    );
    assert_eq!(super::exchange(super::connect_tcp(&site.address), &patch).status, 200);
    for path in [format!("/foo/raw/{id}/x.js"), format!("/foo/tree/{id}"), format!("/foo/archive/{id}.zip")] {
        assert_eq!(kept(&path, &html), "no-store", "{path}");
    }
}

#[test]
fn archives_and_patches_are_those_of_git() {
    let site = filled();
    let id = site.git("rev-parse main");
    for (name, unpack) in [("main.tar.gz", "tar xzf"), ("main.zip", "python3 -m zipfile -e")] {
        let answer = site.answer(&format!("/foo/archive/{name}"), &[]);
        assert!(answer.header("content-disposition").unwrap().ends_with(&format!("''foo-{name}")));
        std::fs::write(site.world.path().join(name), &answer.body).unwrap();
        let folder = format!("{name}.d");
        let target = if unpack.starts_with("tar") { "-C" } else { "" };
        site.shell(&format!("mkdir {folder} && {unpack} {name} {target} {folder}"));
        assert_eq!(site.shell(&format!("cat {folder}/foo-main/x.js")), "alert(1)");
    }
    let patch = text(&site.answer(&format!("/foo/commit/{id}.patch"), &[]));
    assert!(patch.starts_with(&format!("From {id}")) && patch.contains("Subject: [PATCH] First"), "{patch}");
    std::fs::write(site.world.path().join("p"), &patch).unwrap();
    site.shell("git init -q am && cd am && git am -q ../p && test -f x.js");
    let diff = text(&site.answer("/foo/commit/main.diff", &[]));
    assert!(diff.starts_with("diff --git"), "{diff}");
}
