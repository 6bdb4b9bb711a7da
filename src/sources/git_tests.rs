use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;
use crate::config::{DataDir, PolicySettings};
use crate::metrics::ContainerMetrics;
use crate::model::InstanceId;
use crate::policy::Policy;
use crate::sources::add::{SourceTimes, add};
use crate::sources::rules::SourceRules;
use crate::sys::cancel_signal::cancel_pair;

/// A data folder, and a folder that git sources may be in.
struct Scene {
    top: tempfile::TempDir,
    rules: SourceRules,
    time: SourceTimes,
}

impl Scene {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        for folder in ["data", "repos/tools", "secret"] {
            fs::create_dir_all(top.path().join(folder)).unwrap();
        }
        let rules = SourceRules { local_roots: vec!["repos".into()], ..SourceRules::at(top.path()) };
        let scene = Self { top, rules, time: SourceTimes::default() };
        scene.git("repos/tools", &["init", "-q", "-b", "main", "."]);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    fn git(&self, folder: &str, args: &[&str]) -> String {
        let name = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-C",
            self.path(folder).to_str().unwrap(),
        ]
        .map(str::to_owned);
        let said = GitCommand::new().args(name).args(args).run().unwrap();
        String::from_utf8(said).unwrap().trim().to_owned()
    }

    /// Commits a file and gives the commit.
    fn commit(&self, file: &str, text: &str) -> String {
        let path = self.path("repos/tools").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.commit_all()
    }

    fn commit_all(&self) -> String {
        self.git("repos/tools", &["add", "-A"]);
        self.git("repos/tools", &["commit", "-q", "-m", "m"]);
        self.git("repos/tools", &["rev-parse", "HEAD"])
    }

    fn add(&self, url: &str, reference: &str) -> Result<SourceRecord, SourceError> {
        let data = DataDir::new(self.path("data"));
        let policy = Policy::load(&PolicySettings::default(), data.path(), Default::default());
        let (_handle, cancel) = cancel_pair().unwrap();
        let containers = ContainerMetrics::default();
        let context = SourceContext {
            containers: &containers,
            data: &data,
            rules: &self.rules,
            policy: &policy,
            environment: &[],
            instance: InstanceId::new(7),
            cancel: &cancel,
            is_wanted: &AtomicBool::new(true),
            time: self.time,
        };
        let text = |text: &str| Some(text.to_owned());
        let request = SourceRequest {
            kind: text("git"),
            name: text("tools"),
            url: text(url),
            reference: text(reference),
            ..SourceRequest::default()
        };
        add(&context, &request)
    }
}

#[test]
fn a_branch_a_tag_and_a_commit_are_fetched_and_each_commit_stays_where_it_is() {
    let scene = Scene::new();
    let one = scene.commit("scripts/job/000_main", "one");
    scene.git("repos/tools", &["tag", "-a", "-m", "m", "v1"]);
    let url = format!("file://{}", scene.path("repos/tools").display());
    let first = scene.add(&url, "main").unwrap();
    assert_eq!((first.resolved_commit.as_str(), first.url.as_str()), (one.as_str(), url.as_str()));
    let root = first.root().unwrap().to_owned();
    assert_eq!(root, scene.path("data/sources/tools").join(&one).join("scripts"));
    let two = scene.commit("scripts/job/000_main", "two");
    let second = scene.add(&url, "main").unwrap();
    assert_eq!(second.resolved_commit, two);
    assert_eq!(fs::read_to_string(second.root().unwrap().join("job/000_main")).unwrap(), "two");
    assert_eq!(
        fs::read_to_string(root.join("job/000_main")).unwrap(),
        "one",
        "a run under way has its files"
    );
    for (reference, commit) in
        [("v1", &one), ("refs/tags/v1", &one), ("HEAD", &two), (&one, &one), ("refs/heads/main", &two)]
    {
        let added = scene.add("repos/tools", reference).unwrap();
        assert_eq!(added.resolved_commit, *commit, "{reference}");
    }
    // A branch that was rewritten.
    scene.git("repos/tools", &["reset", "-q", "--hard", &one]);
    assert_eq!(scene.add(&url, "main").unwrap().resolved_commit, one);
    for reference in ["v2", "refs/heads/v1", &"1".repeat(40)] {
        let error = scene.add(&url, reference).unwrap_err();
        assert_eq!((error.title, error.status), ("git checkout failed", 400), "{reference}");
    }
}

#[test]
fn nothing_of_a_repository_runs_and_its_links_are_not_followed() {
    let scene = Scene::new();
    let mark = scene.path("mark");
    let tools = scene.path("repos/tools");
    let touch = format!("touch {}", mark.display());
    for hook in ["post-checkout", "pre-auto-gc", "reference-transaction", "post-upload-pack"] {
        fs::create_dir_all(tools.join(".git/hooks")).unwrap();
        fs::write(tools.join(".git/hooks").join(hook), format!("#!/bin/sh\n{touch}\n")).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(tools.join(".git/hooks").join(hook), executable).unwrap();
    }
    for (name, value) in [
        ("uploadpack.packObjectsHook", touch.as_str()),
        ("filter.x.smudge", &touch),
        ("core.fsmonitor", &touch),
    ] {
        scene.git("repos/tools", &["config", name, value]);
    }
    fs::write(tools.join(".gitattributes"), "* filter=x\n").unwrap();
    fs::write(tools.join(".gitmodules"), "[submodule \"x\"]\n path = x\n url = ../../secret\n").unwrap();
    symlink(scene.path("secret"), tools.join("scripts")).unwrap();
    let _ran = fs::remove_file(&mark);
    scene.git(
        "repos/tools",
        &["-c", "core.fsmonitor=", "-c", "filter.x.smudge=", "-c", "core.hooksPath=/dev/null", "add", "-A"],
    );
    scene.git(
        "repos/tools",
        &["-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "m"],
    );
    let _ran = fs::remove_file(&mark);
    let added = scene.add("repos/tools", "main").unwrap();
    assert!(!mark.exists(), "something of the repository ran");
    let checkout = scene.path("data/sources/tools").join(&added.resolved_commit);
    assert_eq!(added.root(), Some(checkout.as_path()), "a link is not the folder of jobs");
    assert!(checkout.join(".gitattributes").is_file() && !checkout.join("x/.git").exists());
}

#[test]
fn a_repository_has_all_its_parts_in_allowed_folders() {
    let scene = Scene::new();
    scene.commit("file", "text");
    scene.git("secret", &["init", "-q", "-b", "main", "."]);
    scene.git("secret", &["commit", "-q", "--allow-empty", "-m", "m"]);
    let secret = scene.path("secret/.git");
    for name in ["linked", "pointed", "borrows", "commons", "bare"] {
        fs::create_dir(scene.path("repos").join(name)).unwrap();
    }
    symlink(&secret, scene.path("repos/linked/.git")).unwrap();
    fs::write(scene.path("repos/pointed/.git"), format!("gitdir: {}\n", secret.display())).unwrap();
    scene.git("repos/borrows", &["init", "-q", "--bare", "."]);
    fs::write(scene.path("repos/borrows/objects/info/alternates"), format!("{}/objects\n", secret.display()))
        .unwrap();
    scene.git("repos/commons", &["init", "-q", "--bare", "."]);
    fs::write(scene.path("repos/commons/commondir"), secret.to_str().unwrap()).unwrap();
    scene.git("repos/bare", &["init", "-q", "--bare", "."]);
    fs::remove_dir_all(scene.path("repos/bare/objects")).unwrap();
    symlink(secret.join("objects"), scene.path("repos/bare/objects")).unwrap();
    let encoded = format!("file://{}/repos/%2e%2e/secret", scene.top.path().display());
    let decoded = format!("file://{}/repos/t%6fols", scene.top.path().display());
    for url in [
        "repos/linked",
        "repos/pointed",
        "repos/borrows",
        "repos/commons",
        "repos/bare",
        "secret",
        "repos/../secret",
        &encoded,
    ] {
        assert_eq!(scene.add(url, "main").unwrap_err().code, Some("source.not.allowed"), "{url}");
    }
    for url in ["https://h/x", "ssh://git@h/x", "git@h:x", "http://[::1]:1/x"] {
        assert_eq!(scene.add(url, "main").unwrap_err().code, Some("source.not.allowed"), "{url}");
    }
    for url in [
        "https://u:hunter22@h/x",
        "ext::sh -c id",
        "ftp://h/x",
        "--upload-pack=x",
        "file:x",
        "file://h/x",
        "file://",
        "file:///a%zz",
    ] {
        let error = scene.add(url, "main").unwrap_err();
        assert!(["invalid git url", "invalid ref"].contains(&error.title), "{url}: {error}");
        assert!(!format!("{error:?}").contains("hunter22"), "{error:?}");
    }
    assert_eq!(scene.add("repos", "main").unwrap_err().title, "git checkout failed");
    assert!(scene.add(&decoded, "main").is_ok(), "git decodes addresses, too");
}

#[test]
fn a_remote_that_does_not_answer_is_given_up_and_named() {
    let mut scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    scene.rules.git_hosts.push(host.clone());
    scene.time.query = Duration::from_millis(300);
    let error = scene.add(&format!("http://{host}/x"), "main").unwrap_err();
    assert_eq!((error.title, error.detail.as_str()), ("git checkout failed", "timed out after 0 s"));
}
