//! What a server listens on and connects to, as the kernel reports it: `--bind none --no-socket` is nothing at all.
//!
//! These tests start the server themselves and are its `$NOTIFY_SOCKET`, so that they know when it is ready.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long the server may take to say something.
const PATIENCE: Duration = Duration::from_secs(40);

/// The flag of a listening socket in `/proc/net/unix` (`__SO_ACCEPTCON`).
const LISTENS: u64 = 0x1_0000;

/// A server that says what it does.
struct Server {
    folder: tempfile::TempDir,
    notify: UnixDatagram,
    child: Child,
}

impl Server {
    /// Starts it, below strace when a file for the trace is named, and waits until it is ready.
    fn start(args: &[&str], trace: Option<&str>) -> (Self, String) {
        let folder = tempfile::Builder::new().prefix("quire-listen-").tempdir().unwrap();
        let quire = env!("CARGO_BIN_EXE_quire");
        let mut command = match trace {
            Some(name) => {
                let mut strace = Command::new("strace");
                let file = folder.path().join(name);
                strace.args(["-D", "-f", "-qq", "-e", "trace=%network", "-o"]).arg(file).arg("--").arg(quire);
                strace
            }
            None => Command::new(quire),
        };
        command.arg("serve").args(args).arg("--data").arg(folder.path().join("data"));
        Self::begin(folder, command)
    }

    /// Starts a program in its folder, and waits until it is ready.
    fn begin(folder: tempfile::TempDir, mut command: Command) -> (Self, String) {
        let notify = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        command.env("NOTIFY_SOCKET", folder.path().join("notify"));
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { folder, notify, child };
        let ready = server.heard();
        (server, ready)
    }

    /// The next thing it says.
    fn heard(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.notify.recv(&mut bytes).expect("the server says something");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// Ends it by TERM, by its number; what it says to that.
    fn stop(&mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        let said = self.heard();
        assert!(self.child.wait().unwrap().success());
        said
    }

    /// The sockets of the server and the runner that it keeps ready, of each table of the kernel: all of TCP and UDP,
    /// and the listening ones of Unix.
    fn doors(&self) -> Vec<String> {
        let server = self.child.id();
        let listed = format!("/proc/{server}/task/{server}/children");
        let children = fs::read_to_string(listed).unwrap_or_default();
        let own: BTreeSet<String> = children
            .split_whitespace()
            .map(str::to_owned)
            .chain([server.to_string()])
            .flat_map(sockets)
            .collect();
        let mut doors = Vec::new();
        for (table, inode) in [("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9), ("unix", 6)] {
            let text = fs::read_to_string(format!("/proc/{server}/net/{table}")).unwrap_or_default();
            for line in text.lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let is_open = table != "unix" || u64::from_str_radix(fields[3], 16).unwrap() & LISTENS != 0;
                if is_open && own.contains(fields[inode]) {
                    doors.push(table.to_owned());
                }
            }
        }
        doors
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // By its handle: nothing happens when it has ended.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The inodes of the sockets that a process has open.
fn sockets(pid: String) -> Vec<String> {
    let entries = fs::read_dir(Path::new("/proc").join(pid).join("fd"));
    let targets = entries.into_iter().flatten().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}

#[test]
fn a_server_without_address_and_socket_listens_nowhere() {
    if !rustix::process::geteuid().is_root() {
        return super::engine::skip("only root can look into a server");
    }
    let (mut server, ready) = Server::start(&["--bind", "none", "--no-socket"], None);
    let data = server.folder.path().join("data");
    assert_eq!(ready, format!("READY=1\nSTATUS=serving {}", data.display()));
    assert_eq!(server.doors(), Vec::<String>::new());
    assert!(!data.join("server.sock").exists());
    assert_eq!(server.stop(), "STOPPING=1\nSTATUS=stopping; runs continue");
}

#[test]
fn phantom_ci_listens_nowhere() {
    if !rustix::process::geteuid().is_root() {
        return super::engine::skip("only root can look into a server");
    }
    let folder = tempfile::Builder::new().prefix("quire-listen-").tempdir().unwrap();
    let link = folder.path().join("phantom_ci");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_quire"), &link).unwrap();
    let mut command = Command::new(link);
    command.env("HOME", folder.path()).env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
    let (mut server, ready) = Server::begin(folder, command);
    let data = server.folder.path().join(".local/share/phantom_ci");
    assert_eq!(ready, format!("READY=1\nSTATUS=serving {}", data.display()));
    assert_eq!(server.doors(), Vec::<String>::new());
    let _said = server.stop();
}

#[test]
fn the_doors_of_another_server_are_found_in_the_same_way() {
    if !rustix::process::geteuid().is_root() {
        return super::engine::skip("only root can look into a server");
    }
    let (mut server, ready) = Server::start(&["--bind", "127.0.0.1:0"], None);
    assert!(
        ready.starts_with("READY=1\nSTATUS=serving ") && ready.contains(" at http://127.0.0.1:"),
        "{ready}"
    );
    assert_eq!(server.doors(), ["tcp", "unix"]);
    let _said = server.stop();
    let (server, _) = Server::start(&["--bind", "none"], None);
    assert_eq!(server.doors(), ["unix"]);
}

#[test]
fn an_idle_server_connects_to_nothing_but_its_supervisor() {
    super::kill::require_strace();
    let (mut server, _) = Server::start(&["--bind", "none", "--no-socket"], Some("trace"));
    let _said = server.stop();
    let trace = fs::read_to_string(server.folder.path().join("trace")).unwrap();
    assert!(trace.contains("AF_UNIX"), "the trace has nothing in it:\n{trace}");
    for word in ["AF_INET", "AF_INET6", "AF_NETLINK", "connect(", "listen("] {
        assert!(!trace.contains(word), "{word}:\n{trace}");
    }
}
