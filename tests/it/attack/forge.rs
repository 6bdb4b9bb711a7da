//! A quire that is attacked: one repository, its working copy, and a server with both doors open.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use crate::stories::world::{Ended, World};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Forge {
    pub(super) world: World,
    address: SocketAddr,
}

impl Forge {
    /// Starts a server with this configuration, and a repository `app`. `$T` is the folder of the world, and `$PORT`
    /// the port of a receiver of webhooks.
    pub(super) fn new(config: &str) -> Self {
        let mut world = World::new();
        fs::create_dir(world.path().join("tmp")).unwrap();
        let port = if config.contains("$PORT") { receiver(&mut world) } else { String::new() };
        let config = config.replace("$T", world.path().to_str().unwrap()).replace("$PORT", &port);
        fs::write(world.path().join("data/config.fnl"), config).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        world.serve(&["--bind", &address.to_string(), "TMPDIR=$T/tmp"]).unwrap();
        let forge = Self { world, address };
        forge.shell(
            "quire repo new app && git init -q app && git -C app remote add origin $T/data/repos/app.git",
        );
        forge
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.world.path().join(name)
    }

    /// Runs a command line of the shell that has to pass.
    pub(super) fn shell(&self, line: &str) -> String {
        let ended = self.try_shell(line);
        assert_eq!(ended.exit, 0, "{line}\n{}\n{}", ended.output, self.world.serve_log());
        ended.output
    }

    /// Runs a command line of the shell.
    pub(super) fn try_shell(&self, line: &str) -> Ended {
        self.world.run(self.world.command("sh").args(["-c", line]))
    }

    /// Commits these files, and nothing else, as the next commit.
    pub(super) fn commit(&self, files: &[(&str, &str)]) {
        let folder = self.path("app");
        let _none_yet = fs::remove_dir_all(folder.join(".quire")).is_err();
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.shell("git -C app add -A && git -C app commit -q --allow-empty -m change");
    }

    /// Pushes what was committed; what git and quire print.
    pub(super) fn push(&self, options: &str) -> String {
        self.shell(&format!("git -C app push -q {options} origin +HEAD:refs/heads/main 2>&1"))
    }

    /// Waits for a run; its JSON.
    pub(super) fn wait(&self, number: usize) -> serde_json::Value {
        let ended = self.try_shell(&format!("quire wait 'app#{number}' --json"));
        serde_json::from_str(&ended.output).unwrap_or_else(|_| panic!("run {number}: {}", ended.output))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bytes that come back for a request over TCP.
    pub(super) fn get(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }
}

/// Starts a receiver of webhooks, which writes what comes into the file `requests`; its port.
fn receiver(world: &mut World) -> String {
    world.background("exec python3 $RECEIVERS/web.py $T");
    let port = world.path().join("port");
    assert!(world.eventually(|_| port.exists()), "the receiver does not start");
    fs::read_to_string(port).unwrap()
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
