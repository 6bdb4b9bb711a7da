//! A real sshd on loopback that asks quire for keys, and a world with a server behind it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::stories::world::{Ended, World};

/// How sshd knows which key opens what.
pub(super) enum Asks {
    /// `AuthorizedKeysCommand quire exec authorized-keys %u %t %k`.
    ForKeys,
    /// `ForceCommand quire exec`, for every key of `ssh/authorized`.
    ForCommands,
}

/// A server, an sshd before it, and the keys of some people.
pub(super) struct Place {
    pub world: World,
    sshd: Child,
    port: u16,
    account: String,
}

impl Place {
    /// Whether this can be tried: sshd runs only what belongs to root, for any account only as root.
    pub(super) fn is_possible() -> bool {
        rustix::process::geteuid().is_root()
    }

    pub(super) fn new(config: &str, asks: &Asks) -> Self {
        let mut world = World::new();
        fs::write(world.path().join("data/config.fnl"), config).unwrap();
        fs::create_dir(world.path().join("ssh")).unwrap();
        world.serve(&["--bind", "127.0.0.1:0"]).unwrap();
        let account = quire::sys::user::login_name().unwrap();
        // What is bound here is free a moment later, and nobody else is given it so soon.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let sshd = Self::start_sshd(&world, port, asks);
        let place = Self { world, sshd, port, account };
        place.shell("for who in kim ada eve host; do test -f ssh/$who || ssh-keygen -q -t ed25519 -N '' -C $who@laptop -f ssh/$who; done");
        place
    }

    fn start_sshd(world: &World, port: u16, asks: &Asks) -> Child {
        let folder = world.path().join("ssh");
        let key = folder.join("host");
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
        assert!(made.unwrap().success());
        let exec =
            format!("{} exec --data {}", env!("CARGO_BIN_EXE_quire"), world.path().join("data").display());
        let how = match asks {
            Asks::ForKeys => format!(
                "AuthorizedKeysCommand {exec} authorized-keys %u %t %k\nAuthorizedKeysCommandUser root\nAuthorizedKeysFile none\n"
            ),
            Asks::ForCommands => {
                format!("ForceCommand {exec}\nAuthorizedKeysFile {}\n", folder.join("authorized").display())
            }
        };
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nPidFile none\nUsePAM no\nStrictModes no\nAcceptEnv GIT_PROTOCOL\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n{how}",
            key.display()
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        // Root's sshd needs the folder that its service makes.
        fs::create_dir_all("/run/sshd").unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
        let sshd = sshd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        assert!(world.eventually(|_| TcpStream::connect(("127.0.0.1", port)).is_ok()));
        sshd.expect("openssh-server is installed by dev/setup")
    }

    /// A shell whose `ssh` and `git` are somebody's: `$HOST` is the machine, `$SSH` the program.
    pub(super) fn shell_of(&self, who: &str) -> Command {
        let folder = self.world.path().join("ssh");
        let ssh = format!(
            "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o LogLevel=ERROR -i {} -p {}",
            folder.join(who).display(),
            self.port
        );
        let mut shell = self.world.command("sh");
        shell.env("GIT_SSH_COMMAND", &ssh).env("SSH", format!("{ssh} {}@127.0.0.1", self.account));
        shell.env("HOST", format!("ssh://{}@127.0.0.1:{}", self.account, self.port)).env_remove("QUIRE_DATA");
        shell
    }

    /// What that shell prints.
    pub(super) fn attempt(&self, who: &str, command: &str) -> Ended {
        self.world.run(self.shell_of(who).args(["-c", command]))
    }

    /// The same, which has to succeed.
    pub(super) fn by(&self, who: &str, command: &str) -> String {
        let ended = self.attempt(who, command);
        let log = fs::read_to_string(self.world.path().join("ssh/log")).unwrap_or_default();
        assert_eq!(ended.exit, 0, "{who}: {command}\n{}\n{log}\n{}", ended.output, self.world.serve_log());
        ended.output
    }

    /// What the operator types on the machine.
    pub(super) fn shell(&self, command: &str) -> String {
        let ended = self.world.run(self.world.command("sh").args(["-c", command]));
        assert_eq!(ended.exit, 0, "{command}\n{}\n{}", ended.output, self.world.serve_log());
        ended.output
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = self.sshd.kill().is_err();
        let _reaped = self.sshd.wait().is_err();
    }
}
