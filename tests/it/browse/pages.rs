//! What the pages of a repository show.

use super::markup::{all_text, read};
use super::{Import, Site};

/// A repository with a history that has a rename, a merge, folders, a submodule and a README.
fn filled() -> Site {
    let mut import = Import::default();
    let who = |message: &'static str| (b"Ada".as_slice(), message.as_bytes());
    import.commit(
        b"main",
        who("First\n\nWhy it\nwas done."),
        &[
            (
                b"README.md",
                "100644",
                b"# Foo\n\nSee [the code](src/old.rs#L2), [up](../../etc) and ![pic](p.png).\n\n## Part\n",
            ),
            (b"src/old.rs", "100644", b"fn main() {\n    let x = 1;\n}\n\n// a\n// b\n// c\n"),
            (b"src/deep/x.txt", "100755", b"deep\n"),
            (
                b".gitmodules",
                "100644",
                b"[submodule \"lib\"]\n\tpath = lib\n\turl = https://example.org/lib\n",
            ),
            (b"lib", "160000", b"1234567890123456789012345678901234567890"),
        ],
    );
    import.push(&[b"commit refs/heads/main\ncommitter Ada <jo@home> 1700000100 +0000\ndata 6\nRename\nR src/old.rs src/new.rs\n\n"]);
    import.commit(
        b"main",
        who("Change"),
        &[(b"src/new.rs", "100644", b"fn main() {\n    let x = 2;\n}\n\n// a\n// b\n// c\n")],
    );
    import.push(&[b"reset refs/heads/topic/one\nfrom refs/heads/main\n\n"]);
    import.commit(b"topic/one", who("Topic"), &[(b"topic.txt", "100644", b"topic\n")]);
    import.push(&[b"reset refs/tags/v1\nfrom refs/heads/main\n\n"]);
    Site::of(&import)
}

#[test]
fn a_repository_is_read_on_its_pages() {
    let site = filled();
    let home = all_text(&site.page("/foo"));
    for part in [
        "Foo",
        "Part",
        "Change",
        "main",
        "topic/one",
        "v1",
        "src/",
        "README.md",
        "https://example.org/lib 1234567",
        "/foo.git",
    ] {
        assert!(home.contains(part), "{part}\n{home}");
    }
    let source = site.page("/foo");
    assert!(
        source.contains("href=\"/foo/blob/main/src/old.rs#L2\"")
            && source.contains("src=\"/foo/raw/main/p.png\""),
        "{source}"
    );
    assert!(!source.contains("etc"), "a link leads out of the repository: {source}");
    let tree = site.page("/foo/tree/main/src");
    assert!(
        tree.contains("Change")
            && tree.contains("href=\"/foo/tree/main/src/deep\"")
            && tree.contains("href=\"/foo/blob/main/src/new.rs\""),
        "{tree}"
    );
    let blob = site.page("/foo/blob/topic/one/src/new.rs");
    assert!(blob.contains("<span id=\"L2\"><a href=\"#L2\">2</a>"), "{blob}");
    assert!(all_text(&blob).contains("let x = 2;") && all_text(&blob).contains("7 lines"), "{blob}");
    let folder = site.answer("/foo/blob/main/src", &[]);
    assert_eq!((folder.status, folder.header("location")), (302, Some("/foo/tree/main/src")));
    let file = site.answer("/foo/tree/main/src/new.rs", &[]);
    assert_eq!((file.status, file.header("location")), (302, Some("/foo/blob/main/src/new.rs")));
    let blame = all_text(&site.page("/foo/blame/main/src/new.rs"));
    let (first, last) = (site.git("rev-parse main~2"), site.git("rev-parse main"));
    assert!(
        blame.contains(&first[..7]) && blame.contains(&last[..7]) && blame.contains("Before "),
        "{blame}"
    );
    let log = all_text(&site.page("/foo/log/main"));
    assert!(
        log.contains("First") && log.contains("Rename") && log.contains("Change") && !log.contains("Topic"),
        "{log}"
    );
    let followed = all_text(&site.page("/foo/log/main/src/new.rs"));
    assert!(followed.contains("First") && followed.contains("as src/old.rs"), "{followed}");
    let refs = all_text(&site.page("/foo/refs"));
    assert!(refs.contains("2 branches") && refs.contains("1 tag") && refs.contains("compare"), "{refs}");
    let found = site.page("/foo/search?q=LET%20x");
    assert!(all_text(&found).contains("Nothing found"), "capital letters count: {found}");
    let found = site.page("/foo/search?q=let%20x");
    assert!(
        found.contains("<mark>let x</mark>") && found.contains("href=\"/foo/blob/main/src/new.rs#L2\""),
        "{found}"
    );
}

#[test]
fn a_commit_and_a_comparison_show_what_changes() {
    let site = filled();
    let id = site.git("rev-parse main");
    let commit = site.page(&format!("/foo/commit/{id}"));
    let text = all_text(&commit);
    assert!(
        text.contains("+    let x = 2;")
            && text.contains("-    let x = 1;")
            && text.contains("+1")
            && text.contains("Ada"),
        "{text}"
    );
    assert!(commit.contains(&format!("/foo/commit/{id}.patch")), "{commit}");
    let first = all_text(&site.page(&format!("/foo/commit/{}", site.git("rev-parse main~2"))));
    assert!(first.contains("Why it\nwas done.") && first.contains("added"), "{first}");
    let renamed = all_text(&site.page(&format!("/foo/commit/{}", site.git("rev-parse main~1"))));
    assert!(renamed.contains("renamed from src/old.rs"), "{renamed}");
    let path = format!("/foo/commit/{id}");
    let tag = site.answer(&path, &[]).header("etag").unwrap().to_owned();
    assert_eq!(site.answer(&path, &[("if-none-match", &tag)]).status, 304);
    for short in [&id[..7], "main", "v1"] {
        let answer = site.answer(&format!("/foo/commit/{short}"), &[]);
        assert_eq!(
            (answer.status, answer.header("location")),
            (302, Some(&*format!("/foo/commit/{id}"))),
            "{short}"
        );
    }
    let compared = all_text(&site.page("/foo/compare/main..topic/one"));
    assert!(
        compared.contains("1 commit ahead, 0 behind")
            && compared.contains("Topic")
            && compared.contains("+topic"),
        "{compared}"
    );
    let other = all_text(&site.page("/foo/compare/topic/one...main"));
    assert!(other.contains("0 commits ahead, 1 behind"), "{other}");
    assert!(all_text(&site.page("/foo/compare/..topic/one")).contains("topic/one against main"));
}

/// Names that are no revision, or lead nowhere.
const NOWHERE: &[&str] = &[
    "main~1",
    "main%5E",
    "main@%7B0%7D",
    "%40",
    ":/First",
    "main:src",
    "--all",
    "-n1",
    "--output=x",
    "..",
    "main..topic/one",
    "topic",
    "heads/main",
    "refs/heads",
    "0000000000000000000000000000000000000000",
    "main%00",
    "main%0A",
    "nothing",
    "%2e%2e/%2e%2e/config",
    "refs/heads/../heads/main",
    "HEAD/../x",
    "main//src",
    "main/src/../src",
    "main/./src",
    "main/none",
    "abc",
    "FETCH_HEAD",
    "config",
    "hooks",
];

#[test]
fn a_revision_is_a_branch_a_tag_or_an_id_and_nothing_else() {
    let site = filled();
    let id = site.git("rev-parse main");
    // A branch whose name is the id of another commit does not hide it.
    site.git(&format!("update-ref refs/heads/{} topic/one", &id[..8]));
    let full = site.git("rev-parse main~1");
    site.git(&format!("update-ref refs/heads/{full} main"));
    site.git("update-ref refs/heads/HEAD topic/one");
    assert!(!all_text(&site.page("/foo/tree/HEAD")).contains("topic.txt"), "HEAD is the default branch");
    for good in ["main", "topic/one", "v1", "HEAD", "refs/heads/main", "refs/tags/v1", &id, &id[..10]] {
        assert_eq!(site.status(&format!("/foo/tree/{good}")), 200, "{good}");
    }
    assert!(all_text(&site.page(&format!("/foo/log/{full}"))).contains("Rename"));
    assert!(!all_text(&site.page(&format!("/foo/log/{full}"))).contains("Change"));
    assert!(all_text(&site.page(&format!("/foo/tree/{}", &id[..8]))).contains("topic.txt"));
    let tree = site.git("rev-parse main^{tree}");
    let ids = [&id[..6], &tree, &format!("{id}%0a")];
    for page in ["tree", "log", "blame", "raw", "blob"] {
        for name in NOWHERE.iter().copied().chain(ids) {
            assert_eq!(site.status(&format!("/foo/{page}/{name}")), 404, "{page} {name}");
        }
    }
    for path in [
        "/foo/compare/main",
        "/foo/compare/main..nothing",
        "/foo/commit/nothing",
        "/foo/archive/main",
        "/foo/archive/nothing.zip",
        "/foo/search?q=x&ref=--all",
    ] {
        assert_eq!(site.status(path), 404, "{path}");
    }
    let answer = site.answer("/foo/log/main?from=--all", &[]);
    assert_eq!(answer.status, 400);
}

#[test]
fn verdicts_are_beside_commits_refs_and_files() {
    let site = filled();
    site.shell(
        "git clone -q data/repos/foo.git c && cd c && mkdir .quire &&
         echo '(local ci (require :quire.ci)) (ci:job :t [:quire/push] (fn [] (sh \"true\")))' >.quire/ci.fnl &&
         git add -A && git commit -qm 'With CI' && git push -q -o ci.wait origin HEAD:main HEAD:checked",
    );
    let id = site.git("rev-parse main");
    for path in [
        "/foo",
        "/foo/tree/main",
        "/foo/blob/main/README.md",
        "/foo/log/main",
        "/foo/refs",
        &format!("/foo/commit/{id}"),
    ] {
        let page = site.page(path);
        assert!(
            page.contains("<span class=\"mark ok\">") && page.contains("href=\"/foo/run/"),
            "{path}\n{page}"
        );
        read(&page);
    }
    let compared = site.page("/foo/compare/topic/one..checked");
    assert!(compared.contains("data-job=\"t\"") && all_text(&compared).contains("passed"), "{compared}");
}

#[test]
fn an_empty_repository_says_how_to_push() {
    let site = Site::new();
    let home = all_text(&site.page("/foo"));
    assert!(
        home.contains("git remote add origin http://") && home.contains("git push -u origin HEAD"),
        "{home}"
    );
    for path in ["/foo/tree/main", "/foo/log", "/foo/commits.atom", "/foo/archive/main.zip"] {
        assert_eq!(site.status(path), 404, "{path}");
    }
    assert_eq!(
        (site.status("/foo/refs"), site.status("/foo/badge.svg"), site.status("/foo/runs.atom")),
        (200, 200, 200)
    );
}
