//! Hostile names, subjects, files and README files come out inert on every page, feed, badge and header: the page has the same
//! elements as for a harmless string.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::hostile_strings::strings;
use super::markup::{all_text, read, skeleton};
use super::{Import, Site, encoded, text};

/// How many requests are under way at the same time.
const CLIENTS: usize = 4;

/// Does something for each string, a few at the same time.
fn for_each(strings: &[Vec<u8>], check: impl Fn(usize, &[u8]) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some((index, string)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    strings.get(index).map(|string| (index, string))
                } {
                    check(index, string);
                }
            });
        }
    });
}

/// What a file can be called of a string.
fn file_name(index: usize, string: &[u8]) -> Vec<u8> {
    let part: Vec<u8> = string.iter().copied().filter(|byte| *byte != b'/' && *byte != 0).take(200).collect();
    [part, format!("~{index}").into_bytes()].concat()
}

/// What a branch can be called of a string; git decides.
fn branch_name(index: usize, string: &[u8]) -> Option<Vec<u8>> {
    let forbidden = |byte: &u8| *byte < 33 || b"~^:?*[\\\x7f".contains(byte);
    let name = [format!("h{index}/").into_bytes(), string.to_vec()].concat();
    let is_odd = string.is_empty()
        || string.iter().any(forbidden)
        || name.len() > 200
        || [b"..".as_slice(), b"@{", b"//", b"/."]
            .iter()
            .any(|part| name.windows(part.len()).any(|own| own == *part))
        || name.ends_with(b".")
        || name.ends_with(b"/")
        || name.windows(5).any(|own| own == b".lock");
    (!is_odd).then_some(name)
}

/// A repository in which each string is the subject of a commit, its author, a file, its content, and a branch where it can be.
fn hostile_site(strings: &[Vec<u8>]) -> Site {
    let mut import = Import::default();
    for (index, string) in strings.iter().enumerate() {
        let author: Vec<u8> = string.iter().copied().filter(|byte| !b"\n<>\0".contains(byte)).collect();
        let file = file_name(index, string);
        import.commit(b"main", (&[b"A", author.as_slice()].concat(), string), &[(&file, "100644", string)]);
        if let Some(branch) = branch_name(index, string) {
            import.push(&[b"reset refs/heads/", &branch, b"\nfrom refs/heads/main\n\n"]);
        }
    }
    Site::of(&import)
}

#[test]
fn hostile_strings_are_text_on_the_pages_of_files_and_commits() {
    let strings = strings();
    assert!(strings.len() >= 200, "{}", strings.len());
    let site = hostile_site(&strings);
    let ids: Vec<String> = site.git("rev-list --reverse main").lines().map(str::to_owned).collect();
    assert_eq!(ids.len(), strings.len());
    let harmless = |path: &str| skeleton(&site.page(path));
    let commit = |index: usize| format!("/foo/commit/{}", ids[index]);
    let file = |page: &str, index: usize, string: &[u8]| {
        format!("/foo/{page}/main/{}", encoded(&file_name(index, string)))
    };
    let (of_commit, of_blob) = (harmless(&commit(1)), harmless(&file("blob", 0, &strings[0])));
    let lines = |string: &[u8]| string.split_inclusive(|byte| *byte == b'\n').count();
    for_each(&strings, |index, string| {
        let page = site.page(&commit(index));
        let shape = skeleton(&page);
        // A body behind the subject and more lines of the file are more elements, and so is the first commit's lack of a parent.
        let is_one_line =
            !String::from_utf8_lossy(string).trim().contains(['\n', '\r']) && lines(string) == 1;
        if is_one_line && index > 0 {
            assert_eq!(shape, of_commit, "{string:?}");
        }
        let blob = site.page(&file("blob", index, string));
        if lines(string) == 1 {
            assert_eq!(skeleton(&blob), of_blob, "{string:?}");
        }
        assert!(all_text(&blob).contains(&format!("~{index}")) || string.len() > 90, "{string:?}");
        let raw = site.answer(&file("raw", index, string), &[]);
        assert_eq!((raw.status, &raw.body), (200, &string.to_vec()), "{string:?}");
        assert!(matches!(raw.kind(), "text/plain" | "application/octet-stream"), "{string:?}");
        assert!(raw.header("set-cookie").is_none() && raw.headers.len() < 20, "{:?}", raw.headers);
        if index % 8 == 0 {
            for page in ["blame", "log"] {
                let page = site.page(&file(page, index, string));
                assert!(all_text(&page).contains(&format!("~{index}")) || string.len() > 90, "{string:?}");
            }
            let patch = site.answer(&format!("{}.patch", commit(index)), &[]);
            assert_eq!((patch.status, patch.kind()), (200, "text/plain"), "{string:?}");
        }
    });
}

#[test]
fn hostile_strings_are_text_in_lists_feeds_and_badges() {
    let strings = strings();
    let site = hostile_site(&strings);
    for path in ["/foo", "/foo/tree/main", "/foo/refs", "/foo/refs?branches=100", "/foo/log/main"] {
        read(&site.page(path));
    }
    let tree = all_text(&site.page("/foo/tree/main"));
    assert!(
        (0..strings.len()).filter(|index| tree.contains(&format!("~{index}"))).count() > strings.len() - 6,
        "{tree}"
    );
    let branches: Vec<_> =
        strings.iter().enumerate().filter_map(|(index, string)| branch_name(index, string)).collect();
    assert!(branches.len() > 60, "{}", branches.len());
    let badge = |query: &str| skeleton(&text(&site.answer(&format!("/foo/badge.svg{query}"), &[])));
    let of_badge = badge("");
    for_each(&strings, |index, string| {
        let value = encoded(string);
        assert_eq!(badge(&format!("?job={value}")), of_badge, "{string:?}");
        assert_eq!(badge(&format!("?ref={value}")), of_badge, "{string:?}");
        if index % 8 == 0 {
            read(&site.page(&format!("/foo/search?q={value}")));
        }
        for path in [
            format!("/foo/tree/{value}"),
            format!("/foo/commits.atom?ref={value}"),
            format!("/foo/compare/main..{value}"),
        ] {
            let answer = site.answer(&path, &[]);
            assert!(matches!(answer.status, 200 | 404 | 302), "{path} {}", answer.status);
            if !answer.body.is_empty() {
                read(&text(&answer));
            }
            assert!(answer.header("set-cookie").is_none(), "{path}");
        }
    });
    for_each(&branches, |index, branch| {
        let path = encoded(branch).replace("%2F", "/");
        for page in ["tree", "log"] {
            read(&site.page(&format!("/foo/{page}/{path}")));
        }
        let feed = site.answer(&format!("/foo/commits.atom?ref={}", encoded(branch)), &[]);
        // The query of a feed is text: a name that is none has no feed.
        assert!(feed.status == 200 || std::str::from_utf8(branch).is_err(), "{branch:?}");
        if feed.status == 200 {
            read(&text(&feed));
        }
        if index % 8 == 0 {
            read(&site.page(&format!("/foo/compare/main..{path}")));
            let archive = site.answer(&format!("/foo/archive/{path}.zip"), &[]);
            let name = archive.header("content-disposition").unwrap();
            assert!(
                name.strip_prefix("attachment; filename*=UTF-8''")
                    .unwrap()
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
                "{name}"
            );
        }
    });
}

/// Branches whose README files are nested deeper than anybody reads.
fn import_nested(import: &mut Import) {
    for (index, nested) in [
        ">".repeat(100_000),
        "- ".repeat(50_000),
        "[".repeat(100_000),
        "*a ".repeat(60_000),
        "`".repeat(100_000),
        "|".repeat(50_000),
    ]
    .iter()
    .enumerate()
    {
        let branch = format!("nested{index}");
        import.commit(
            branch.as_bytes(),
            (b"Ada", b"Nested"),
            &[(b"README.md", "100644", format!("{nested} x\n").as_bytes())],
        );
    }
}

#[test]
fn a_hostile_readme_and_hostile_submodules_do_nothing() {
    let mut import = Import::default();
    let strings = strings();
    let mut readme = b"# Title\n\n".to_vec();
    for string in &strings {
        readme.extend(
            [string.as_slice(), b"\n\n[a](", string, b") ![b](", string, b")\n\n<b>", string, b"</b>\n\n"]
                .concat(),
        );
    }
    readme.extend(b"\n[x](javascript:alert(1)) [y](JAVASCRIPT:alert(1)) [z](data:text/html,x) [v](&#106;avascript:x) <javascript:alert(1)> ![p](https://evil.example/p.png) ![q](//evil.example/p.png)\n");
    let mut modules = Vec::new();
    let mut files: Vec<(Vec<u8>, &str, Vec<u8>)> = Vec::new();
    let of_modules: [&[u8]; 5] = [
        b"javascript:alert(1)",
        b"\"><script>alert(1)</script>",
        b"data:x",
        b"https://evil.example/\x1b[31m",
        b"//evil.example",
    ];
    for (index, url) in of_modules.into_iter().enumerate() {
        modules.extend(
            [format!("[submodule \"m{index}\"]\n\tpath = m{index}\n\turl = ").as_bytes(), url, b"\n"]
                .concat(),
        );
        files.push((
            format!("m{index}").into_bytes(),
            "160000",
            b"1234567890123456789012345678901234567890".to_vec(),
        ));
    }
    files.push((b"README.md".to_vec(), "100644", readme));
    files.push((b".gitmodules".to_vec(), "100644", modules));
    let files: Vec<_> =
        files.iter().map(|(path, mode, content)| (path.as_slice(), *mode, content.as_slice())).collect();
    import.commit(b"main", (b"Ada", b"First"), &files);
    import_nested(&mut import);
    let site = Site::of(&import);
    for path in ["/foo", "/foo/tree/main"] {
        let page = site.page(path);
        let parts = read(&page);
        let away = |part: &&super::markup::Part| {
            let super::markup::Part::Begin(element) = part else { return false };
            element.attributes.iter().any(|(name, value)| name == "src" && !value.starts_with('/'))
        };
        assert_eq!(parts.iter().filter(away).count(), 0);
        assert!(!page.contains("evil.example/p.png\" alt") && !page.contains("<b>"), "{path}");
        assert_eq!(page.matches("<h1").count(), 1, "{path}");
    }
    for index in 0..6 {
        read(&site.page(&format!("/foo/tree/nested{index}")));
    }
}

#[test]
fn runs_of_hostile_branches_are_text_on_pages_and_in_feeds() {
    let site = Site::new();
    site.shell(
        r#"git init -q c && cd c && git remote add origin $T/data/repos/foo.git && mkdir .quire &&
           echo '(local ci (require :quire.ci)) (ci:job :t [:quire/push] (fn [] (sh "true")))' >.quire/ci.fnl && git add -A &&
           git commit -q -m '"><script>alert(1)</script>' &&
           git push -q -o ci.wait origin HEAD:main 'HEAD:refs/heads/"><script>alert(1)</script>' "HEAD:refs/heads/'onload=x" 2>/dev/null || true"#,
    );
    for path in ["/foo", "/foo/runs.atom", "/feed.atom", "/foo/refs", "/cc.xml", "/foo/log/main"] {
        let page = text(&site.answer(path, &[("accept", "text/html")]));
        read(&page);
        assert!(
            path == "/cc.xml" || all_text(&page).contains("\"><script>alert(1)</script>"),
            "{path}\n{page}"
        );
    }
}
