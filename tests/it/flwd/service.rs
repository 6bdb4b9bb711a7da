//! A `flwd :serve` in a project with job folders, and its clients: curl, also for event streams.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::stories::world::{Ended, World};

/// A key that verifies tokens.
pub(crate) const JWT_SECRET: &str = "a-secret-of-the-tests";

/// A server in a project.
pub(crate) struct Service {
    pub(crate) world: World,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// `curl -N` on an event stream.
pub(crate) struct Stream {
    curl: Child,
    lines: BufReader<ChildStdout>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let field = |line: &'_ str| {
            line.split_once(": ").filter(|(known, _)| known.eq_ignore_ascii_case(name)).is_some()
        };
        self.head
            .lines()
            .find(|line| field(line))
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value.trim())
    }

    /// The status of a problem, its title, and its code when it has one.
    pub(crate) fn problem(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("title"), text("code"))
    }
}

impl Service {
    /// A project with the jobs of the tests; no server yet.
    pub(crate) fn project() -> Self {
        let service = Self { world: World::new() };
        symlink(env!("CARGO_BIN_EXE_quire"), service.world.path().join("bin/flwd")).unwrap();
        fs::create_dir_all(service.world.path().join("project/scripts")).unwrap();
        service.job(
            "demo",
            "job: {id: demo, name: Demo, summary: Greets somebody}\ninterpreter: bash\nargspec:\n  args:\n    \
             - {name: name, type: string, required: true}\n    - {name: count, type: integer, default: 1}\n    \
             - {name: token, type: string, format: secret}\n",
            &[("000_first", "echo \"hello $name\"; echo oops >&2"), ("100_second", "echo done")],
        );
        service.job(
            "gate",
            "job: {id: gate}\ninterpreter: bash\n",
            &[("000_wait", "echo waiting; until [ -e open ]; do sleep 0.02; done; echo through")],
        );
        service.job("fail", "job: {id: fail}\ninterpreter: bash\n", &[("000_fail", "exit 7")]);
        fs::write(
            service.world.path().join("project/scripts/flwd.yaml"),
            "aliases:\n  - {from: demo, to: hello-demo, description: Shortcut}\n",
        )
        .unwrap();
        service
    }

    /// The same with a server that was started so; words with `=` and without dashes are variables.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut service = Self::project();
        service.serve(args).unwrap();
        service
    }

    /// A job folder.
    pub(crate) fn job(&self, path: &str, config: &str, scripts: &[(&str, &str)]) {
        let folder = self.world.path().join("project/scripts").join(path);
        fs::create_dir_all(folder.join("config.d")).unwrap();
        fs::write(folder.join("config.d/config.yaml"), config).unwrap();
        for (name, text) in scripts {
            fs::write(folder.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// Starts the server; `Err` is what it said when it ended instead.
    pub(crate) fn serve(&mut self, args: &[&str]) -> Result<(), String> {
        let mut command = self.world.command(self.world.path().join("bin/flwd").to_str().unwrap());
        let is_variable = |arg: &&&str| arg.contains('=') && !arg.starts_with('-');
        command
            .arg(":serve")
            .args(["--bind", "127.0.0.1:0"])
            .args(args.iter().filter(|arg| !is_variable(arg)))
            .env("DATA_DIR", self.world.path().join("data"))
            .current_dir(self.world.path().join("project"));
        for (name, value) in args.iter().filter(is_variable).filter_map(|arg| arg.split_once('=')) {
            command.env(name, value);
        }
        self.world.start(command, false)
    }

    /// A command of `flwd` in the project, on the data folder of the server.
    pub(crate) fn command_of(&self, words: &[&str]) -> Command {
        let mut command = self.world.command(self.world.path().join("bin/flwd").to_str().unwrap());
        command.args(words).env("DATA_DIR", self.world.path().join("data"));
        command.current_dir(self.world.path().join("project"));
        command
    }

    /// What a command of `flwd` says, on both streams.
    pub(crate) fn flwd(&self, words: &[&str]) -> Ended {
        self.world.run(&mut self.command_of(words))
    }

    /// The exit code of a command of `flwd`, and what it says on each stream.
    pub(crate) fn streams(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.command_of(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        fs::read_to_string(self.world.path().join("data/server.url")).unwrap()
    }

    fn command(&self, more: &[&str], path: &str) -> Command {
        let mut curl = self.world.command("curl");
        curl.args(["-sS", "--max-time", "40"]).args(more).arg(format!("{}{path}", self.url()));
        curl
    }

    /// What curl gets with these options.
    pub(crate) fn curl(&self, options: &[&str], path: &str) -> Answer {
        let output = self.command(&[&["-i"], options].concat(), path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {output:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.curl(&[], path)
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.curl(&["-X", "POST", "-H", "Content-Type: application/json", "-d", body], path)
    }

    /// The same as somebody with a token.
    pub(crate) fn with_token(&self, token: &str, options: &[&str], path: &str) -> Answer {
        let header = format!("Authorization: Bearer {token}");
        self.curl(&[&["-H", &header], options].concat(), path)
    }

    /// Starts a job: the run.
    pub(crate) fn run(&self, body: &str) -> Value {
        let answer = self.post("/runs", body);
        assert_eq!(answer.status, 201, "{answer:?}\n{}", self.world.serve_log());
        answer.json()
    }

    /// The events of a run up to its end.
    pub(crate) fn events(&self, run: &Value) -> Vec<Event> {
        let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
        self.stream(&[], &path).until("run.finish")
    }

    pub(crate) fn stream(&self, options: &[&str], path: &str) -> Stream {
        let mut curl =
            self.command(&[&["-N"], options].concat(), path).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(curl.stdout.take().unwrap());
        Stream { curl, lines }
    }
}

impl Stream {
    /// The next event; comments are passed over.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let (mut id, mut kind, mut line) = (0, String::new(), String::new());
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
            match name {
                "id" => id = value.parse().unwrap(),
                "event" => kind = value.to_owned(),
                "data" => return Some(Event { id, kind, data: serde_json::from_str(value).unwrap() }),
                _ => {}
            }
        }
    }

    /// The events up to the first of a kind.
    pub(crate) fn until(&mut self, kind: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next() {
            let is_last = event.kind == kind;
            events.push(event);
            if is_last {
                return events;
            }
        }
        panic!("the stream ends without {kind}: {events:?}")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ended = self.curl.kill().is_err();
        let _status = self.curl.wait();
    }
}

/// The kinds of events, and what they say.
pub(crate) fn outline(events: &[Event]) -> Vec<(&str, &str)> {
    events
        .iter()
        .map(|event| (event.kind.as_str(), event.data["message"].as_str().unwrap_or_default()))
        .collect()
}

/// A token, signed with HS256.
pub(crate) fn jwt(head: &str, claims: &str, secret: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let signed = format!("{}.{}", BASE64.encode(head), BASE64.encode(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    format!("{signed}.{}", BASE64.encode(ring::hmac::sign(&key, signed.as_bytes())))
}

/// One with these scopes.
pub(crate) fn token(scopes: &str) -> String {
    jwt(
        r#"{"alg":"HS256","typ":"JWT"}"#,
        &format!(r#"{{"sub":"t","scope":"{scopes}","exp":9999999999}}"#),
        JWT_SECRET,
    )
}
