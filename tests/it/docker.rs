//! A docker of its own for a test: Debian's, which `dev/setup` puts below `target/docker`, with a daemon that listens on
//! a socket of the test and keeps everything in the test's folder. Podman is not in the `PATH` of such a test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::engine;

/// How long the daemon may take to begin, and its containers to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait before the daemon is asked again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A daemon and the folder of everything that is its.
pub(crate) struct Docker {
    folder: tempfile::TempDir,
    daemon: Child,
    /// Where its containers are among the control groups.
    cgroup: String,
}

impl Docker {
    /// Starts a daemon that has the image of the tests.
    pub(crate) fn start() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("quire-docker-").tempdir();
        let folder = folder.map_err(|error| error.to_string())?;
        fs::create_dir(folder.path().join("data")).map_err(|error| error.to_string())?;
        link_programs(&folder.path().join("bin"))?;
        let daemon = spawn(folder.path())?;
        let mut docker = Self { cgroup: cgroup(folder.path()), folder, daemon };
        docker.wait()?;
        let tar = engine::image_tar()?;
        let imported = docker.call(&["import", tar.to_str().ok_or("no path")?, engine::IMAGE]);
        if imported.status.success() { Ok(docker) } else { Err(text(&imported.stderr)) }
    }

    /// Calls its client.
    pub(crate) fn call(&self, args: &[&str]) -> Output {
        let mut client = Command::new(self.folder.path().join("bin/docker"));
        client.args(args).env("DOCKER_HOST", self.address()).env("HOME", self.folder.path());
        client.stdin(Stdio::null()).output().expect("docker starts")
    }

    /// What leads to it: the value of `DOCKER_HOST`.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    /// The folder of all programs of this machine, with its client and without podman.
    pub(crate) fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Kills the daemon as a crash does: what runs in containers continues.
    pub(crate) fn kill(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
        let gone = |this: &Self| processes_of(this.folder.path(), "containerd").is_empty();
        let deadline = Instant::now() + PATIENCE;
        while !gone(self) {
            assert!(Instant::now() < deadline, "containerd stays");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Starts the daemon that was killed again.
    pub(crate) fn start_again(&mut self) {
        // Its number may be a dead process's that nobody has waited for yet: the daemon would take that for running.
        let _absent = fs::remove_file(self.folder.path().join("exec/containerd/containerd.pid"));
        self.daemon = spawn(self.folder.path()).unwrap();
        self.wait().unwrap();
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !self.call(&["version"]).status.success() {
            let is_over = self.daemon.try_wait().is_ok_and(|ended| ended.is_some());
            if is_over || Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.path().join("dockerd.log")).unwrap_or_default();
                let last = log.lines().rev().take(5).collect::<Vec<_>>().join("\n");
                return Err(format!("dockerd does not begin: {last}"));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let listed = self.call(&["ps", "--all", "--quiet"]);
        let left = text(&listed.stdout);
        let left: Vec<&str> = left.lines().collect();
        if !left.is_empty() {
            self.call(&[&["rm", "--force", "--volumes"], &left[..]].concat());
        }
        // Without containers there is nothing that it would have to end, and by TERM it takes three seconds.
        let _gone = self.daemon.kill();
        let _ended = self.daemon.wait();
        for name in ["containerd", "containerd-shim-runc-v2"] {
            for pid in processes_of(self.folder.path(), name) {
                let _gone = Command::new("kill").args(["-9", &pid]).stderr(Stdio::null()).status();
            }
        }
        unmount(self.folder.path());
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let own = hierarchy.path().join(&self.cgroup);
            // Containers that were killed with their shim have left theirs.
            for group in fs::read_dir(&own).into_iter().flatten().flatten() {
                let _is_a_file = fs::remove_dir(group.path());
            }
            let _absent = fs::remove_dir(own);
        }
    }
}

fn cgroup(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Starts a daemon that changes nothing of the machine's network, and raises no limit.
fn spawn(folder: &Path) -> Result<Child, String> {
    let at = |name: &str| folder.join(name).display().to_string();
    let log = fs::File::options().create(true).append(true).open(folder.join("dockerd.log"));
    let log = log.map_err(|error| error.to_string())?;
    // It ends with the test, also when that is killed.
    let mut daemon = Command::new("setpriv");
    daemon
        .args(["--pdeathsig", "KILL", "--", &at("bin/dockerd")])
        .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("dockerd.pid")])
        .args(["--host", &format!("unix://{}", at("docker.sock"))])
        .args([
            "--iptables=false",
            "--ip6tables=false",
            "--ip-masq=false",
            "--bridge=none",
            "--userland-proxy=false",
        ])
        .args(["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", &cgroup(folder)])
        .env("PATH", format!("{}:/usr/sbin:/sbin", at("bin")))
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stderr(log.try_clone().map_err(|error| error.to_string())?)
        .stdout(log);
    daemon.spawn().map_err(|error| format!("dockerd does not start: {error}"))
}

/// Links to the programs of this machine, without podman, and with docker's own before them.
fn link_programs(bin: &Path) -> Result<(), String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/docker/bin");
    if !own.join("dockerd").exists() {
        return Err("there is no docker in target/docker; dev/setup gets it".to_owned());
    }
    let failed = |error: std::io::Error| error.to_string();
    fs::create_dir(bin).map_err(failed)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(own).chain(std::env::split_paths(&path));
    for program in folders.flat_map(fs::read_dir).flatten().flatten() {
        let link = bin.join(program.file_name());
        if program.file_name() != "podman" && fs::symlink_metadata(&link).is_err() {
            symlink(program.path(), link).map_err(failed)?;
        }
    }
    Ok(())
}

/// The processes of a program that name this folder in their arguments.
fn processes_of(folder: &Path, program: &str) -> Vec<String> {
    let name = folder.display().to_string();
    super::containers::processes(|process| {
        super::containers::contains(&process.join("cmdline"), &name)
            && fs::read_link(process.join("exe")).is_ok_and(|exe| exe.ends_with(program))
    })
}

fn unmount(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    // What was mounted last lies in what was mounted before.
    let places = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
    for place in places.filter(|place| Path::new(place).starts_with(folder)) {
        let _gone = Command::new("umount").args(["--lazy", place]).status();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
