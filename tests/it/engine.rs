//! The container engine of this machine, and an image to run: `localhost/busybox`, made here of Debian's busybox.
//!
//! Where no container can be run, the tests that need one say so loudly and do nothing; with
//! `QUIRE_TEST_CONTAINERS=required`, as `.ci/run` has it, they fail instead.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The image.
pub(crate) const IMAGE: &str = "localhost/busybox";

/// Limits that a host without CAP_SYS_RESOURCE can give.
const LIMITS: [&str; 2] = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];

/// Calls podman.
pub(crate) fn podman(args: &[&str]) -> Output {
    // As quire does it: where cgroup v2 stands beside version 1, crun refuses.
    let is_hybrid = Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists();
    let runtime: &[&str] = if is_hybrid { &["--runtime=runc"] } else { &[] };
    Command::new("podman").args(runtime).args(args).stdin(Stdio::null()).output().expect("podman starts")
}

/// Whether containers can be run here: then the image is there. Says loudly that they cannot.
pub(crate) fn can_run_containers() -> bool {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    match READY.get_or_init(prepare) {
        Ok(()) => true,
        Err(why) => {
            assert!(
                std::env::var_os("QUIRE_TEST_CONTAINERS").is_none_or(|value| value != "required"),
                "containers have to run here, and do not: {why}"
            );
            skip(&format!("no container can be run here: {why}"));
            false
        }
    }
}

/// Says loudly that a test does nothing here.
pub(crate) fn skip(why: &str) {
    println!("SKIPPED: {why}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let name = std::thread::current().name().unwrap_or("a test").replace("::", ".");
    let noted = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(name), why));
    noted.expect("dev/test counts what was skipped");
}

fn prepare() -> Result<(), String> {
    let found = Command::new("podman").arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        return Err("there is no podman".to_owned());
    }
    // One test at a time makes the image.
    let lock = fs::File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("busybox.lock"));
    let lock = lock.map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if !podman(&["image", "exists", IMAGE]).status.success() {
        import()?;
    }
    // As quire does it: where cgroup v2 stands beside version 1, crun refuses.
    let is_hybrid = Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists();
    let runtime: &[&str] = if is_hybrid { &["--runtime=runc"] } else { &[] };
    let tried =
        podman(&[runtime, &["run", "--rm", "--network=none"], &LIMITS[..], &[IMAGE, "true"]].concat());
    if tried.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&tried.stderr).into_owned()) }
}

fn import() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let tar = folder.path().join("image.tar");
    pack(&tar)?;
    let tar = tar.to_str().ok_or("no path")?;
    let imported = podman(&["import", "--quiet", tar, &format!("{IMAGE}:latest")]);
    if imported.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&imported.stderr).into_owned())
    }
}

/// Writes the files of the image into an archive.
pub(crate) fn pack(tar: &Path) -> Result<(), String> {
    let busybox = Path::new("/usr/bin/busybox");
    if !busybox.exists() {
        return Err("there is no busybox-static".to_owned());
    }
    let root = tempfile::tempdir().map_err(|error| error.to_string())?;
    let bin = root.path().join("bin");
    fs::create_dir(&bin).map_err(|error| error.to_string())?;
    fs::copy(busybox, bin.join("busybox")).map_err(|error| error.to_string())?;
    let listed = Command::new(busybox).arg("--list").output().map_err(|error| error.to_string())?;
    for applet in String::from_utf8_lossy(&listed.stdout).lines().filter(|applet| *applet != "busybox") {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).map_err(|error| error.to_string())?;
    }
    let mut pack = Command::new("tar");
    pack.args(["--owner=0", "--group=0", "-C"]).arg(root.path()).arg("-cf").arg(tar).arg("bin");
    if pack.status().is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err("tar does not work".to_owned())
    }
}
