//! The container engine of this machine, and an image to run: `localhost/busybox`, made here of Debian's busybox.
//!
//! Where no container can be run, the tests that need one say so loudly and do nothing; with
//! `QUIRE_TEST_CONTAINERS=required`, as `.ci/run` has it, they fail instead. That engine is podman, unless a test is
//! run [`by_docker`].

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use super::docker::Docker;

/// The image.
pub(crate) const IMAGE: &str = "localhost/busybox";

/// Limits that a host without CAP_SYS_RESOURCE can give.
const LIMITS: [&str; 2] = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];

thread_local! {
    /// The docker that the test of this thread uses; podman when there is none.
    static DOCKER: RefCell<Option<Docker>> = const { RefCell::new(None) };
}

/// Runs a test with a docker of its own. Skipped loudly where docker is missing.
pub(crate) fn by_docker(test: impl FnOnce()) {
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            drop(DOCKER.take());
        }
    }
    match Docker::start() {
        Ok(docker) => DOCKER.set(Some(docker)),
        Err(why) => return cannot(&why),
    }
    let _end = End;
    test();
}

/// Does something with the docker of this test.
pub(crate) fn with_docker<T>(act: impl FnOnce(&mut Docker) -> T) -> Option<T> {
    DOCKER.with_borrow_mut(|docker| docker.as_mut().map(act))
}

/// The name of the engine of this test.
pub(crate) fn name() -> &'static str {
    with_docker(|_| "docker").unwrap_or("podman")
}

/// The variables that lead programs to the engine of this test.
pub(crate) fn variables() -> Vec<(&'static str, String)> {
    let of_docker = |docker: &mut Docker| {
        vec![("DOCKER_HOST", docker.address()), ("PATH", docker.programs().display().to_string())]
    };
    let path = || vec![("PATH", std::env::var("PATH").unwrap())];
    let mut variables = with_docker(of_docker).unwrap_or_else(path);
    variables.push(("ENGINE", name().to_owned()));
    variables
}

/// Calls the engine of this test.
pub(crate) fn call(args: &[&str]) -> Output {
    with_docker(|docker| docker.call(args)).unwrap_or_else(|| podman(args))
}

/// Removes a container of this test, whatever it does.
pub(crate) fn remove(container: &str) {
    call(&["rm", "--force", "--volumes", container]);
}

/// Pushes an image to a registry on loopback, which speaks without TLS.
pub(crate) fn push(image: &str, target: &str) -> Output {
    if name() == "podman" {
        return podman(&["push", "--quiet", "--tls-verify=false", image, &format!("docker://{target}")]);
    }
    call(&["tag", image, target]);
    let pushed = call(&["push", target]);
    call(&["rmi", target]);
    pushed
}

fn podman(args: &[&str]) -> Output {
    // As quire does it: where cgroup v2 stands beside version 1, crun refuses.
    let is_hybrid = Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists();
    let runtime: &[&str] = if is_hybrid { &["--runtime=runc"] } else { &[] };
    Command::new("podman").args(runtime).args(args).stdin(Stdio::null()).output().expect("podman starts")
}

/// Whether containers can be run here: then the image is there. Says loudly that they cannot.
pub(crate) fn can_run_containers() -> bool {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    if name() == "docker" {
        return true;
    }
    match READY.get_or_init(prepare) {
        Ok(()) => true,
        Err(why) => {
            cannot(why);
            false
        }
    }
}

/// Says loudly that a test does nothing because no container can be run here; fails where that is demanded.
fn cannot(why: &str) {
    assert!(
        std::env::var_os("QUIRE_TEST_CONTAINERS").is_none_or(|value| value != "required"),
        "containers have to run here, and do not: {why}"
    );
    skip(&format!("no container can be run here: {why}"));
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
    let tar = image_tar()?;
    let imported = podman(&["import", "--quiet", tar.to_str().ok_or("no path")?, &format!("{IMAGE}:latest")]);
    if imported.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&imported.stderr).into_owned())
    }
}

/// What the image is made of: an archive, made once.
pub(crate) fn image_tar() -> Result<PathBuf, String> {
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("busybox.tar");
    if made.exists() {
        return Ok(made);
    }
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
    let tar = root.path().join("image.tar");
    let mut pack = Command::new("tar");
    pack.args(["--owner=0", "--group=0", "-C"]).arg(root.path()).arg("-cf").arg(&tar).arg("bin");
    if !pack.status().is_ok_and(|status| status.success()) {
        return Err("tar does not work".to_owned());
    }
    // Others may be making it, too: it is there at once and whole.
    let own = made.with_extension(std::process::id().to_string());
    let moved = fs::copy(&tar, &own).and_then(|_| fs::rename(&own, &made));
    moved.map_err(|error| error.to_string())?;
    Ok(made)
}
