//! A watch over ssh: a real sshd on loopback, with keys that are thrown away.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::host::{Host, until};

/// An sshd that lets one key in.
struct Sshd {
    process: Child,
    port: u16,
}

impl Sshd {
    fn start(host: &Host) -> Self {
        let path = |name: &str| host.path(name).display().to_string();
        for key in ["host_key", "user_key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &path(key)])
                .status();
            assert!(made.unwrap().success());
        }
        // What is bound here is free a moment later, and nobody else is given it so soon.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            path("host_key"),
            path("user_key.pub")
        );
        fs::write(host.path("sshd_config"), config).unwrap();
        // Root's sshd needs the folder that its service makes.
        let _not_root = fs::create_dir_all("/run/sshd").is_err();
        let log = fs::File::create(host.path("sshd.log")).unwrap();
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f", &path("sshd_config")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let sshd = Self { process: sshd.spawn().expect("openssh-server is installed by dev/setup"), port };
        until("sshd listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        sshd
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _gone = self.process.kill().is_err();
        let _reaped = self.process.wait().is_err();
    }
}

#[test]
fn a_branch_is_fetched_over_ssh_from_a_machine_whose_key_is_known() {
    let mut host = Host::new("{}");
    host.commits("main", 2);
    let sshd = Sshd::start(&host);
    let path = |name: &str| host.path(name).display().to_string();
    let user = quire::sys::user::login_name().unwrap();
    let config = format!(
        "Host *\n IdentityFile {}\n IdentitiesOnly yes\n UserKnownHostsFile {}\n GlobalKnownHostsFile /dev/null\n",
        path("user_key"),
        path("known_hosts")
    );
    fs::write(host.path("data/ssh_config"), config).unwrap();
    let url = format!("ssh://{user}@127.0.0.1:{}{}", sshd.port, path("there.git"));
    assert_eq!(host.quire(&["watch", "add", &url, "main", "--allow-private"]).0, 0);
    host.start();
    let (code, text) = host.quire(&["watch", "now"]);
    assert!(code == 1 && text.contains("denied") && text.contains("Host key verification failed"), "{text}");
    let key = fs::read_to_string(host.path("host_key.pub")).unwrap();
    fs::write(host.path("known_hosts"), format!("[127.0.0.1]:{} {key}", sshd.port)).unwrap();
    let (code, text) = host.quire(&["watch", "now"]);
    assert_eq!(code, 0, "{text}\n{}", fs::read_to_string(host.path("sshd.log")).unwrap());
    host.passed("there#1");
    assert_eq!(host.runs()[0]["pusher"], "watch");
    // The repository goes, then the machine.
    fs::rename(host.path("there.git"), host.path("away.git")).unwrap();
    assert_eq!((host.quire(&["watch", "now"]).0, host.state().as_str()), (1, "gone"));
    fs::rename(host.path("away.git"), host.path("there.git")).unwrap();
    drop(sshd);
    assert_eq!((host.quire(&["watch", "now"]).0, host.state().as_str()), (1, "unreachable"));
}
