//! The pages of repositories, with real git and a real server: what they show, what they never show, and what they cost.

mod feeds;
mod hostile;
mod hostile_strings;
mod large;
mod markup;
mod pages;
mod raw;
mod refusals;

use std::fmt::Write as _;
use std::path::PathBuf;

use super::api::{Answer, connect_tcp, exchange, request};
use super::stories::world::World;

/// A world with a server over TCP, and the bare repository `foo`, which is filled by what a test writes for `git fast-import`.
struct Site {
    world: World,
    address: String,
}

impl Site {
    /// An empty repository.
    fn new() -> Self {
        Self::prepared(|_| {})
    }

    /// A repository with these commits, as they are before the server starts.
    fn of(import: &Import) -> Self {
        Self::prepared(|site| site.import(&import.stream))
    }

    /// A repository that this has changed before the server starts.
    fn prepared(prepare: impl FnOnce(&Self)) -> Self {
        let mut site = Self { world: World::new(), address: String::new() };
        site.shell("quire repo new foo");
        prepare(&site);
        site.world.serve(&["--bind", "127.0.0.1:0"]).unwrap();
        let url = std::fs::read_to_string(site.world.path().join("data/server.url")).unwrap();
        site.address = url.trim_start_matches("http://").trim().to_owned();
        site
    }

    fn shell(&self, command: &str) -> String {
        let ended = self.world.run(self.world.command("sh").args(["-c", command]));
        assert_eq!(ended.exit, 0, "{command}\n{}\n{}", ended.output, self.world.serve_log());
        ended.output
    }

    fn git_dir(&self) -> PathBuf {
        self.world.path().join("data/repos/foo.git")
    }

    /// Runs git in `foo`.
    fn git(&self, args: &str) -> String {
        self.shell(&format!("git --git-dir $T/data/repos/foo.git {args}")).trim().to_owned()
    }

    /// Fills `foo`.
    fn import(&self, stream: &[u8]) {
        std::fs::write(self.world.path().join("import"), stream).unwrap();
        self.git("-c fastimport.unpackLimit=0 fast-import --quiet --force <$T/import");
    }

    fn answer(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        exchange(connect_tcp(&self.address), &request(("GET", path), &self.address, headers, b""))
    }

    /// A page that is there.
    fn page(&self, path: &str) -> String {
        let answer = self.answer(path, &[("accept", "text/html")]);
        assert_eq!(answer.status, 200, "{path}\n{}\n{}", text(&answer), self.world.serve_log());
        text(&answer)
    }

    fn status(&self, path: &str) -> u16 {
        self.answer(path, &[]).status
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// A part of an address.
fn encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
    }
    out
}

/// Commits for `git fast-import`, each the parent of the next of its branch.
#[derive(Default)]
struct Import {
    stream: Vec<u8>,
    time: u64,
}

impl Import {
    /// Adds a commit with these files: path, mode and content.
    fn commit(&mut self, branch: &[u8], (author, message): (&[u8], &[u8]), files: &[(&[u8], &str, &[u8])]) {
        self.time += 60;
        let at = 1_700_000_000 + self.time;
        self.push(&[b"commit refs/heads/", branch, b"\nauthor ", author, b" <jo@home> "]);
        self.push(&[format!("{at} +0000\ncommitter Jo <jo@home> {at} +0000\n").as_bytes()]);
        self.data(message);
        for (path, mode, content) in files {
            self.push(&[b"M ", mode.as_bytes()]);
            if *mode == "160000" {
                self.push(&[b" ", content, b" ", &quoted(path), b"\n"]);
            } else {
                self.push(&[b" inline ", &quoted(path), b"\n"]);
                self.data(content);
            }
        }
        self.push(&[b"\n"]);
    }

    fn push(&mut self, parts: &[&[u8]]) {
        self.stream.extend(parts.concat());
    }

    fn data(&mut self, content: &[u8]) {
        self.push(&[format!("data {}\n", content.len()).as_bytes(), content, b"\n"]);
    }
}

/// A path as `git fast-import` reads it.
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in path {
        match byte {
            b'"' | b'\\' | 0..=31 | 127.. => out.extend(format!("\\{byte:03o}").bytes()),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}
