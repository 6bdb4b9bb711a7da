//! Revisions that are options or expressions of git, headers of a megabyte, and requests that never end.

use std::io::Write as _;

use super::{Import, Site, connect_tcp, encoded, request, text};

/// What git would understand as an option or an expression.
const NO_REVISIONS: [&str; 14] = [
    "--output=pwned",
    "-n1",
    "--all",
    "--exec=touch pwned",
    "main~1",
    "main^",
    "main^{tree}",
    "^main",
    "@",
    "@{u}",
    "main@{0}",
    ":/subject",
    "main:f",
    "refs/../refs/heads/main",
];

fn site() -> Site {
    let mut import = Import::default();
    import.commit(b"main", (b"Jo", b"subject"), &[(b"f", "100644", b"text\n")]);
    Site::of(&import)
}

#[test]
fn options_and_expressions_of_git_are_no_revisions() {
    let site = site();
    for name in NO_REVISIONS {
        let name = encoded(name.as_bytes());
        for page in ["tree", "log", "blob", "blame", "raw"] {
            assert_eq!(site.status(&format!("/foo/{page}/{name}")), 404, "{page} {name}");
            assert_eq!(site.status(&format!("/foo/{page}/{name}/f")), 404, "{page} {name}/f");
        }
        for path in [
            format!("/foo/commit/{name}"),
            format!("/foo/commit/{name}.patch"),
            format!("/foo/archive/{name}.tar.gz"),
            format!("/foo/compare/main..{name}"),
            format!("/foo/search?q=text&ref={name}"),
            format!("/foo/commits.atom?ref={name}"),
        ] {
            assert_eq!(site.status(&path), 404, "{path}");
        }
        // A badge is a picture for whatever is asked.
        assert_eq!(site.status(&format!("/foo/badge.svg?ref={name}")), 200);
    }
    // A text is searched for, whatever it begins with; a file is a file.
    for text in ["--output=pwned", "-e", "--open-files-in-pager=touch pwned"] {
        site.page(&format!("/foo/search?q={}", encoded(text.as_bytes())));
        assert_eq!(site.status(&format!("/foo/log/main/{}", encoded(text.as_bytes()))), 404);
    }
    assert_eq!(site.shell("find $T -name 'pwned*' | wc -l").trim(), "0");
}

#[test]
fn a_branch_that_is_called_like_an_option_is_a_branch() {
    let site = site();
    let main = site.git("rev-parse main");
    site.git(&format!("update-ref refs/heads/--output=pwned {main}"));
    for path in [
        "tree/--output=pwned",
        "log/--output=pwned/f",
        "blame/--output=pwned/f",
        "compare/main..--output=pwned",
    ] {
        site.page(&format!("/foo/{path}"));
    }
    assert_eq!(site.status("/foo/archive/--output=pwned.tar.gz"), 200);
    assert_eq!(site.shell("find $T -name 'pwned*' | wc -l").trim(), "0");
}

#[test]
fn a_header_of_a_megabyte_is_refused_and_unfinished_requests_hold_nobody_up() {
    let site = site();
    let long = "x".repeat(1 << 20);
    for header in ["cookie", "accept", "if-none-match", "remote-user"] {
        let mut stream = connect_tcp(&site.address);
        let bytes = request(("GET", "/foo"), &site.address, &[(header, &long)], b"");
        // The server may close the connection before it has read all of it.
        let _refused = stream.write_all(&bytes).is_err();
        let mut answer = Vec::new();
        let _reset = std::io::Read::read_to_end(&mut stream, &mut answer).is_err();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{header}: {answer}");
    }
    let begun: Vec<_> = (0..250)
        .map(|number| {
            let mut stream = connect_tcp(&site.address);
            let part: &[u8] =
                if number % 2 == 0 { b"GET /foo HTTP/1.1\r\nhos" } else { b"GET /foo/log/main/f" };
            stream.write_all(part).unwrap();
            stream
        })
        .collect();
    for path in ["/foo", "/foo/blame/main/f", "/foo/log/main/f"] {
        site.page(path);
    }
    drop(begun);
}

#[test]
fn who_has_not_signed_in_hears_what_a_public_repository_does_not_have() {
    let site = site();
    let page = |path: &str| {
        let answer = site.answer(path, &[("accept", "text/html")]);
        (answer.status, text(&answer))
    };
    for (path, missing) in [("/foo/blob/main/none.txt", "none.txt"), ("/foo/tree/nowhere", "nowhere")] {
        let (status, shown) = page(path);
        assert_eq!(status, 404, "{path}");
        assert!(shown.contains(missing) && !shown.contains("type=\"password\""), "{path}\n{shown}");
    }
    // What may be private has the form.
    let (status, shown) = page("/other/blob/main/none.txt");
    assert!(status == 404 && shown.contains("type=\"password\""), "{status}\n{shown}");
}
