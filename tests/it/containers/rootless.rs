//! Containers of an account that is not root: real rootless podman, with subordinate ids that only this test sees.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::engine;

/// An account that every system has.
const NOBODY: u32 = 65_534;

/// What root prepares, in mounts of its own: subordinate ids of the account, below which the rest runs.
const OUTER: &str = r#"
mount --bind subid /etc/subuid
mount --bind subid /etc/subgid
exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -e inner.sh
"#;

/// What the account does: it has an image, a server and a repository, and pushes.
const INNER: &str = r#"
podman import -q image.tar localhost/busybox:latest >/dev/null 2>import.log || { cat import.log; exit 1; }
cp image.tar app.tar
tar --owner=0 --group=0 -rf app.tar etc
podman import -q app.tar localhost/app:latest >/dev/null 2>import.log || { cat import.log; exit 1; }
quire serve --bind none >serve.log 2>&1 &
serve=$!
trap 'kill $serve $(cat run/libpod/tmp/pause.pid); wait' EXIT
quire repo new foo >/dev/null || { sleep 1; quire repo new foo >/dev/null; }
git init -q -b main foo
mkdir foo/.quire
mv ci.fnl foo/.quire/ci.fnl
git -C foo add -A
git -C foo commit -qm one
git -C foo push -o ci.log "$PWD/data/repos/foo.git" main 2>&1 || true
quire show foo#1
ls data/runs/foo.git/1
podman ps -aq
find /dev/shm -maxdepth 1 -name 'quire-*' -user nobody -printf 'left: %f\n'
"#;

const PIPELINE: &str = r#"
(local ci (require :quire.ci))
(ci:job :root [:quire/push]
  (fn [{: container}]
    (container "localhost/busybox" "echo I am $(id -u); touch one; cat /run/secrets/token; echo; stat -c 'secret %u %a' /run/secrets/token" {:secrets [:token]})))
(ci:job :numbered [:root]
  (fn [{: container}]
    (container "localhost/busybox" "echo I am $(id -u):$(id -g); touch two; stat -c '%n %u' one two; wc -c /run/secrets/token" {:secrets [:token] :user "1234:70"})))
(ci:job :named [:numbered]
  (fn [{: container}]
    (container "localhost/app" "echo I am $(id -un):$(id -g); echo three >three; rm two; echo two >two; stat -c 'own %u %a' three /run/secrets/token" {:secrets [:token] :user "app"})))
(ci:job :after [:named] (fn [{: sh}] (sh "stat -c '%n %u' one two; mkdir -p a/b; touch a/b/c; chmod 500 a/b")))
(ci:job :beside [:quire/push]
  {:image "localhost/busybox" :user "70:70"
   :services {:db {:image "localhost/busybox" :cmd "wc -c /run/secrets/token; sleep 600" :secrets [:token] :health "true"}}}
  (fn [{: sh}] (sh "grep -c db /etc/hosts; tail -n +3 /proc/net/dev | cut -d: -f1; touch three")))
"#;

#[test]
fn a_rootless_container_works_on_the_workspace_and_has_its_secrets() {
    if !engine::can_run_containers() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return engine::skip("only root can give an account subordinate ids");
    }
    let folder = tempfile::Builder::new().prefix("quire-rootless-").tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let write = |name: &str, text: &str| fs::write(path.join(name), text).unwrap();
    write("outer.sh", OUTER);
    write("inner.sh", INNER);
    write("ci.fnl", PIPELINE);
    fs::create_dir(path.join("etc")).unwrap();
    write("etc/passwd", "app:x:1000:50::/:/bin/sh\n");
    write("subid", "nobody:100000:65536\n");
    fs::create_dir(path.join("data")).unwrap();
    write("data/config.fnl", "{:secrets {:token \"a-token-of-the-test\"}}");
    fs::create_dir(path.join("bin")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_quire"), path.join("bin/quire")).unwrap();
    fs::create_dir(path.join("home")).unwrap();
    write("home/.gitconfig", "[user]\n name = t\n email = t@example.org\n");
    fs::create_dir(path.join("run")).unwrap();
    fs::copy(engine::image_tar().unwrap(), path.join("image.tar")).unwrap();
    give(&path);
    let ran = Command::new("unshare")
        .args(["--mount", "sh", "-e", "outer.sh"])
        .current_dir(&path)
        .env_clear()
        .env("PATH", format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", path.display()))
        .env("HOME", path.join("home"))
        .env("QUIRE_DATA", path.join("data"))
        .env("XDG_RUNTIME_DIR", path.join("run"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let all = format!("{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{all}");
    let expected = [
        "root │ I am 0",
        "root │ secret 0 400",
        "numbered │ I am 1234:70",
        "numbered │ one 1234",
        "numbered │ two 1234",
        "numbered │ 19 /run/secrets/token",
        "named │ I am app:50",
        "named │ own 1000 644",
        "named │ own 1000 400",
        "after │ one 65534",
        "after │ two 65534",
        "beside/db │ 19 /run/secrets/token",
        "beside │ 1 ",
        "beside │     lo",
        "run foo#1: passed",
    ];
    for line in expected {
        let is_there =
            |said: &str| said.strip_prefix("remote: ").unwrap_or(said).trim_end() == line.trim_end();
        assert!(said.lines().any(is_there), "{line}\n{all}");
    }
    assert!(!said.contains("left: ") && !said.lines().any(|line| line == "work"), "{all}");
}

/// Gives everything to the account.
fn give(folder: &Path) {
    let given =
        Command::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(folder).status().unwrap();
    assert!(given.success());
}
