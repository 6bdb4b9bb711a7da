//! `/api/v1` over both doors. Every answer that a test sees is compared with the OpenAPI document of the server.
//!
//! ```text
//! let api = Api::new();                                 // a server with a repository `foo`, and its run foo#1, which passed
//! let answer = api.get(Door::Tcp, "/runs?repo=foo");    // status, headers, body; validated
//! assert_eq!(answer.json()[0]["number"], 1);
//! ```

mod artifacts;
mod client;
mod commands;
mod contract;
mod generated;
mod inputs;
mod jobs;
mod readers;
mod schema;

use std::fs;

use client::connect_unix;
pub(crate) use client::{Answer, connect_tcp, exchange, request};
use contract::Contract;
use serde_json::Value;

use super::stories::world::World;

/// Where a request goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The socket of the account of the server.
    Socket,
    /// TCP.
    Tcp,
}

impl Door {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Socket, Self::Tcp];
}

const PIPELINE: &str = r#"(local ci (require :quire.ci))
(ci.job :test [:quire/push :quire/manual] (fn [] (sh "echo tested") {:answer 42}))
(ci.job :pack [:test] (fn [] (sh "echo packed")))
"#;

/// A server that answers over both doors, with a repository `foo` (cloned to `foo`) and its run `foo#1`, which passed.
pub(crate) struct Api {
    pub(crate) world: World,
    pub(crate) contract: Contract,
    address: String,
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::with_config("{}")
    }

    /// The same, and a message about each run, to a target that is not there.
    pub(crate) fn with_notifications() -> Self {
        Self::with_config(
            r#"{:notify {:targets {:gone {:webhook "http://127.0.0.1:9/"}} :rules [{:to :gone :on [:passed]}] :allow ["127.0.0.1:9"]}}"#,
        )
    }

    fn with_config(config: &str) -> Self {
        let mut world = World::new();
        fs::write(world.path().join("data/config.fnl"), config).unwrap();
        world.serve(&["--bind", "127.0.0.1:0"]).unwrap();
        let socket = world.path().join("data/server.sock");
        let document =
            exchange(connect_unix(&socket), &request(("GET", "/api/v1/openapi.json"), "quire", &[], b""));
        let url = fs::read_to_string(world.path().join("data/server.url")).unwrap();
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let api = Self { contract: Contract::new(document.json()), world, address };
        fs::create_dir_all(api.world.path().join("foo/.quire")).unwrap();
        fs::write(api.world.path().join("foo/.quire/ci.fnl"), PIPELINE).unwrap();
        api.shell(
            "quire repo new foo && git init -q foo && cd foo && git add -A && git commit -qm first &&
             git remote add origin $T/data/repos/foo.git && git push -q -o ci.wait origin HEAD:main 2>&1",
        );
        api
    }

    /// What a command prints; it must succeed.
    pub(crate) fn shell(&self, command: &str) -> String {
        let ended = self.world.run(self.world.command("sh").args(["-c", command]));
        assert_eq!(ended.exit, 0, "{command}\n{}\n{}", ended.output, self.world.serve_log());
        ended.output
    }

    /// The address over TCP: `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The answer to any bytes, not validated.
    pub(crate) fn raw(&self, door: Door, bytes: &[u8]) -> Answer {
        match door {
            Door::Socket => exchange(connect_unix(&self.world.path().join("data/server.sock")), bytes),
            Door::Tcp => exchange(connect_tcp(&self.address), bytes),
        }
    }

    /// The validated answer to a request; `target` is below `/api/v1`.
    pub(crate) fn send(
        &self,
        door: Door,
        (method, target): (&str, &str),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let target = format!("/api/v1{target}");
        let answer = self.raw(door, &request((method, &target), &self.address, headers, body));
        if let Err(wrong) = self.contract.check(method, &target, &answer) {
            let text = String::from_utf8_lossy(&answer.body);
            panic!(
                "{door:?} {method} {target}: {} is not what openapi.json says: {wrong}\n{text}",
                answer.status
            );
        }
        answer
    }

    pub(crate) fn get(&self, door: Door, target: &str) -> Answer {
        self.send(door, ("GET", target), &[], b"")
    }

    /// A request with a JSON body.
    pub(crate) fn with_json(&self, door: Door, method: &str, target: &str, body: &Value) -> Answer {
        let kind = [("content-type", "application/json")];
        self.send(door, (method, target), &kind, body.to_string().as_bytes())
    }

    pub(crate) fn post(&self, door: Door, target: &str, body: &Value) -> Answer {
        self.with_json(door, "POST", target, body)
    }
}
