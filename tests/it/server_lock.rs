//! The lock of a data folder: it is held by a descriptor, and the number in the file only says by whom.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// How long the server may take to say something.
const PATIENCE: Duration = Duration::from_secs(40);

/// A data folder whose `server.lock` has the number of a process that has ended.
struct Place {
    folder: tempfile::TempDir,
    notify: UnixDatagram,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("quire-lock-").tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let mut dead = Command::new("true").spawn().unwrap();
        let number = dead.id();
        dead.wait().unwrap();
        fs::write(folder.path().join("data/server.lock"), format!("{number}\n")).unwrap();
        let notify = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { folder, notify }
    }

    fn lock(&self) -> PathBuf {
        self.folder.path().join("data/server.lock")
    }

    /// Holds the lock, as a copy of a dead server's descriptor does.
    fn hold(&self) -> File {
        let file = File::options().read(true).write(true).open(self.lock()).unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        file
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
        command.args(["serve", "--bind", "none", "--data"]).arg(self.folder.path().join("data"));
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Waits until a server is ready, and ends it.
    fn expect_ready(&self, mut server: Child) {
        let mut said = [0; 4096];
        let length = self.notify.recv(&mut said).expect("the server says something");
        let holder = fs::read_to_string(self.lock()).unwrap();
        let number = server.id().to_string();
        // By its handle, before anything can fail.
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(said[..length].starts_with(b"READY=1"));
        assert_eq!(holder.trim(), number);
    }
}

fn ended(output: &Output, data: &Path) -> (Option<i32>, bool) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text.ends_with(&format!("error: another quire serves {}\n", data.display())))
}

#[test]
fn a_lock_file_without_a_live_process_keeps_no_server_out() {
    let place = Place::new();
    let server = place.command().spawn().unwrap();
    place.expect_ready(server);
}

#[test]
fn a_lock_that_a_dead_server_has_left_held_is_waited_for() {
    let place = Place::new();
    let held = place.hold();
    let server = place.command().spawn().unwrap();
    drop(held);
    place.expect_ready(server);
}

#[test]
fn a_lock_that_stays_held_names_no_process_that_is_not_there() {
    let place = Place::new();
    let _held = place.hold();
    let output = place.command().output().unwrap();
    assert_eq!(ended(&output, &place.folder.path().join("data")), (Some(5), true), "{output:?}");
}
