//! `docs/host.md` is followed literally: `tests/host/world.py` runs every block of it in namespaces of its own.

use std::path::Path;
use std::process::{Command, Output};

use rustix::process::geteuid;

use super::engine::skip;

/// A program as the first process of namespaces of its own: when it ends, so does everything that it started.
fn in_a_world(program: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "240", "unshare", "--mount", "--net", "--uts", "--ipc", "--pid"]);
    command.args(["--fork", "--kill-child", "--mount-proc"]).args(program).output().unwrap()
}

#[test]
fn every_block_of_the_host_page_does_what_it_says() {
    if !geteuid().is_root() {
        return skip("only root can make the machine on which docs/host.md is followed");
    }
    let overlay = "mount -t tmpfs t /mnt && mkdir /mnt/up /mnt/work && \
                   mount -t overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work o /etc";
    let possible = in_a_world(&["sh", "-c", overlay]);
    if !possible.status.success() {
        let why = String::from_utf8_lossy(&possible.stderr).trim().to_owned();
        return skip(&format!("no namespaces for docs/host.md: {why}"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let world = root.join("tests/host/world.py");
    let page = root.join("docs/host.md");
    let paths = [world.to_str().unwrap(), page.to_str().unwrap(), env!("CARGO_BIN_EXE_quire")];
    let followed = in_a_world(&[&["python3"], &paths[..]].concat());
    let printed = [followed.stdout, followed.stderr].concat();
    assert!(followed.status.success(), "{}\n{}", followed.status, String::from_utf8_lossy(&printed));
}
