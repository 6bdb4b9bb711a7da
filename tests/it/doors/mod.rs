//! The two doors of a server, and what reads the folders of runs: what others send, and what others put there.

mod flood;
mod identity;
mod operations;
mod operator;
mod origins;
mod pages;
mod peers;
mod protocol;
mod reading;
mod refusals;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::stories::world::World;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A world with a server that answers over TCP, and with a repository `foo`, cloned, with a pipeline.
struct Place {
    world: World,
}

impl Place {
    /// `limits` is what a shell runs before it becomes the server.
    fn with_limits(limits: &str) -> Self {
        Self::with(limits, &[])
    }

    /// A server with more arguments.
    fn serving(args: &[&str]) -> Self {
        Self::with("true", args)
    }

    fn with(limits: &str, args: &[&str]) -> Self {
        Self::made((limits, args), |_| {})
    }

    /// A server in a world that this has changed.
    fn prepared(prepare: impl FnOnce(&World)) -> Self {
        Self::made(("true", &[]), prepare)
    }

    fn made((limits, args): (&str, &[&str]), prepare: impl FnOnce(&World)) -> Self {
        let mut world = World::new();
        prepare(&world);
        let quire = world.path().join("bin/quire");
        std::fs::remove_file(&quire).unwrap();
        let real = env!("CARGO_BIN_EXE_quire");
        let script = format!("#!/bin/sh\n[ \"$1\" != serve ] || {{ {limits}; }}\nexec {real} \"$@\"\n");
        std::fs::write(&quire, script).unwrap();
        std::fs::set_permissions(&quire, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        world.serve(&[&["--bind", "127.0.0.1:0"], args].concat()).unwrap();
        let place = Self { world };
        place.shell(
            "quire repo new foo && git init -q foo && mkdir foo/.quire && cd foo &&
             printf '%s' '(local ci (require :quire.ci)) (ci:job :t [:quire/push] (fn [] (sh \"true\")))' >.quire/ci.fnl &&
             git add -A && git commit -qm first && git remote add origin $T/data/repos/foo.git",
        );
        place
    }

    fn new() -> Self {
        Self::with_limits("true")
    }

    fn shell(&self, command: &str) -> String {
        let ended = self.world.run(self.world.command("sh").args(["-c", command]));
        assert_eq!(ended.exit, 0, "{command}\n{}\n{}", ended.output, self.world.serve_log());
        ended.output
    }

    /// Pushes a new commit and waits for its run.
    fn push(&self) -> String {
        self.shell(
            "cd foo && git commit -q --allow-empty -m next && git push -o ci.wait origin HEAD:main 2>&1",
        )
    }

    /// Pushes a pipeline to this branch whose run goes on until something is written to the pipe that this returns.
    fn push_gated(&self, branch: &str) -> std::path::PathBuf {
        self.shell("mkfifo gate");
        let gate = self.world.path().join("gate");
        let job = format!("(ci:job :t [:quire/push] (fn [] (sh \"cat {}\")))", gate.display());
        let pipeline = format!("(local ci (require :quire.ci)) {job}");
        std::fs::write(self.world.path().join("foo/.quire/ci.fnl"), pipeline).unwrap();
        self.shell(&format!("cd foo && git commit -qam gated && git push -q origin HEAD:{branch}"));
        gate
    }

    fn data(&self) -> std::path::PathBuf {
        self.world.path().join("data")
    }

    fn address(&self) -> String {
        let url = std::fs::read_to_string(self.data().join("server.url")).unwrap();
        url.trim_start_matches("http://").to_owned()
    }

    /// What the address answers to these bytes, until it closes the connection.
    fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).is_err();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The answer to one GET over TCP.
    fn get(&self, path: &str) -> String {
        let host = self.address();
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes())
    }

    fn server_pid(&self) -> String {
        std::fs::read_to_string(self.data().join("server.lock")).unwrap().trim().to_owned()
    }
}

/// The status of an answer.
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn connect_unix(socket: &Path) -> std::io::Result<UnixStream> {
    UnixStream::connect(socket)
}
