//! Events of runs and logs of jobs over HTTP, read by the clients that people use.

mod clients;
mod crowd;
mod kills;
mod logs;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::stories::world::World;

/// A world with a repository `foo`, and a server that answers at a port that stays.
pub(crate) struct Forge {
    world: World,
    port: u16,
}

impl Forge {
    pub(crate) fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut forge = Self { world: World::new(), port };
        forge.serve();
        forge.shell("quire repo new foo && git init -q foo && mkdir foo/.quire && git -C foo remote add origin $T/data/repos/foo.git");
        forge
    }

    pub(crate) fn serve(&mut self) {
        self.world.serve(&["--bind", &format!("127.0.0.1:{}", self.port)]).unwrap();
    }

    pub(crate) fn shell(&self, command: &str) -> String {
        let ended = self.world.run(self.world.command("sh").args(["-c", command]));
        assert_eq!(ended.exit, 0, "{command}\n{}\n{}", ended.output, self.world.serve_log());
        ended.output
    }

    /// Pushes a pipeline with these forms; with `option`, a push option.
    pub(crate) fn push(&self, forms: &str, option: &str) {
        let pipeline = format!("(local ci (require :quire.ci))\n{forms}\n");
        std::fs::write(self.world.path().join("foo/.quire/ci.fnl"), pipeline).unwrap();
        self.shell(&format!("cd foo && git add -A && git commit -q --allow-empty -m next && git push -q {option} origin HEAD:main 2>&1"));
    }

    /// Pushes a job `t` of one step.
    pub(crate) fn push_step(&self, step: &str, option: &str) {
        self.push(&format!("(ci:job :t [:quire/push] (fn [] (sh {step:?})))"), option);
    }

    /// The address of something of a run.
    pub(crate) fn url(&self, run: u64, path: &str) -> String {
        format!("http://127.0.0.1:{}/api/v1/runs/foo%23{run}/{path}", self.port)
    }

    /// What curl prints.
    pub(crate) fn curl(&self, args: &[&str]) -> String {
        let ended = self.world.run(self.world.command("curl").args(["-sS", "--max-time", "30"]).args(args));
        ended.output
    }

    /// Starts the reader beside this file.
    pub(crate) fn reader(&self, args: &[&str]) -> Child {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/events/reader.py");
        let port = self.port.to_string();
        let (command, args) = args.split_first().unwrap();
        self.world
            .command("python3")
            .arg(script)
            .args([command, port.as_str()])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub(crate) fn outcome(&self, run: u64) -> String {
        self.shell(&format!("quire wait 'foo#{run}' >/dev/null || true"));
        let shown = self.shell(&format!("quire show --json 'foo#{run}'"));
        serde_json::from_str::<Value>(&shown).unwrap()["outcome"].as_str().unwrap().to_owned()
    }

    /// Waits until a log of a run has this text.
    pub(crate) fn until_logged(&self, run: u64, text: &str) {
        let log = self.world.path().join(format!("data/runs/foo.git/{run}/log/t/1.log"));
        let is_there = |_: &World| std::fs::read_to_string(&log).is_ok_and(|log| log.contains(text));
        assert!(self.world.eventually(is_there), "{text} is not in the log\n{}", self.world.serve_log());
    }
}

/// What a reader has printed.
pub(crate) fn printed(reader: Child) -> String {
    let ended = reader.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

/// The texts of all lines of output in events.
pub(crate) fn texts(events: &str) -> Vec<String> {
    let lines = |event: &str| -> Vec<String> {
        let event: Value = serde_json::from_str(event).unwrap();
        let lines = event["lines"].as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    events.lines().flat_map(lines).collect()
}
