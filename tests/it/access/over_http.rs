//! Clones and pushes over HTTP, by real git; and what else is sent to such a path.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::stories::world::{Ended, World};

/// A server over TCP with the private repository `site`, which has a commit, the public `open`, and tokens.
struct Place {
    world: World,
    address: String,
}

impl Place {
    fn new(config: &str) -> Self {
        let mut world = World::new();
        fs::write(world.path().join("data/config.fnl"), config).unwrap();
        world.serve(&["--bind", "127.0.0.1:0"]).unwrap();
        let url = fs::read_to_string(world.path().join("data/server.url")).unwrap();
        let place = Self { world, address: url.trim_start_matches("http://").to_owned() };
        place.shell(
            "quire repo new site && quire repo new group/open && git init -q work && cd work && mkdir .quire &&
             printf '%s' '(local ci (require :quire.ci)) (ci:job :t [:quire/push] (fn [] (sh \"true\")))' >.quire/ci.fnl &&
             git add -A && git commit -qm first && git push -q -o ci.skip $T/data/repos/site.git HEAD:main &&
             git push -q -o ci.skip $T/data/repos/group/open.git HEAD:main",
        );
        for (name, scopes) in
            [("reader", "repos:read"), ("writer", "repos:read,repos:write"), ("runner", "runs:write")]
        {
            place.shell(&format!("quire token new {name} --scope {scopes} 2>/dev/null | tail -n 1 >{name}"));
        }
        place.shell(
            "quire token new other --scope repos:write --repo group/open 2>/dev/null | tail -n 1 >other",
        );
        place
    }

    fn attempt(&self, command: &str) -> Ended {
        let mut shell = self.world.command("sh");
        shell.env("URL", format!("http://{}", self.address)).env("HOST", &self.address);
        self.world.run(shell.args(["-c", command]))
    }

    fn shell(&self, command: &str) -> String {
        let ended = self.attempt(command);
        assert_eq!(ended.exit, 0, "{command}\n{}\n{}", ended.output, self.world.serve_log());
        ended.output
    }

    fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).is_err();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str, lines: &str) -> String {
        let host = &self.address;
        self.ask(
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{lines}\r\n").as_bytes(),
        )
    }

    /// How many git processes the server has.
    fn backends(&self) -> usize {
        let server = self.world.server_pid().to_string();
        let all = fs::read_dir(format!("/proc/{server}/task")).into_iter().flatten().flatten();
        let others = all.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let pids: Vec<String> =
            others.flat_map(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
        let is_git = |pid: &&String| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains("http-backend"))
        };
        pids.iter().filter(|pid| !pid.is_empty()).filter(is_git).count()
    }
}

const PRIVATE: &str = "{:http {:visibility :private}}";

#[test]
fn a_token_clones_and_pushes_with_the_output_of_the_hooks() {
    let place = Place::new(PRIVATE);
    place.shell("quire repo new large");
    for (token, repo, exit) in
        [("reader", "site", 0), ("writer", "site", 0), ("runner", "site", 128), ("other", "site", 128)]
    {
        let ended =
            place.attempt(&format!("git clone -q http://x:$(cat {token})@$HOST/{repo}.git c-{token}"));
        assert_eq!(ended.exit, exit, "{token}: {}", ended.output);
    }
    // A commit over the size from which git sends in chunks.
    let pushed = place.shell(
        "cd c-writer && head -c 3000000 /dev/urandom >big && git add -A && git commit -qm big &&
         git push -o ci.wait origin HEAD:main 2>&1",
    );
    assert!(pushed.contains("remote: quire: run ") && pushed.contains("remote: success: run "), "{pushed}");
    assert!(place.shell("quire show site --json").contains("\"pusher\": \"token:writer\""));
    // The next command works where the push was typed: over HTTP.
    let failed = place.shell(
        "cd c-writer && sed -i 's/true/exit 3/' .quire/ci.fnl && git commit -qam broken && git push -o ci.wait origin HEAD:main 2>&1",
    );
    let hint = format!("hint: quire --server http://{} rerun ", place.address);
    assert!(failed.contains(&hint) && failed.contains("; run 2 passed"), "{failed}");
    assert!(place.shell("quire audit --json").contains("\"token:writer\""));
    assert_eq!(place.shell("git -C c-reader pull -q && git -C c-reader log --oneline | wc -l").trim(), "3");
    for protocol in [0, 1, 2] {
        place.shell(&format!(
            "git -c protocol.version={protocol} clone -q http://$(cat reader):x@$HOST/site.git p{protocol}"
        ));
    }
    let refused = place.attempt("cd c-reader && git push origin HEAD:refs/heads/x 2>&1");
    assert!(
        refused.exit != 0 && refused.output.contains("may read `site`, not push to it"),
        "{}",
        refused.output
    );
    // A depth, and a filter: what git asks for is git's affair.
    place.shell("git clone -q --depth 1 --filter=blob:none --no-checkout http://x:$(cat reader)@$HOST/site.git shallow");
    assert!(place.world.eventually(|_| place.backends() == 0));
}

#[test]
fn a_stranger_sees_no_difference_between_private_and_missing() {
    let place = Place::new(PRIVATE);
    let advertise = |repo: &str, service: &str| format!("/{repo}.git/info/refs?service=git-{service}");
    for service in ["upload-pack", "receive-pack"] {
        let answers = ["site", "none"].map(|repo| {
            let answer = place.get(&advertise(repo, service), "");
            answer
                .lines()
                .filter(|line| !line.starts_with("x-request-id") && !line.starts_with("date"))
                .collect::<Vec<_>>()
                .join("\n")
        });
        assert_eq!(answers[0], answers[1]);
        assert!(
            answers[0].starts_with("HTTP/1.1 401") && answers[0].contains("www-authenticate: Basic"),
            "{}",
            answers[0]
        );
    }
    place.shell("curl -sf -X PATCH -H \"authorization: Bearer $(cat writer)\" -H 'content-type: application/json' -d '{\"visibility\":\"public\"}' $URL/api/v1/repos/group%2Fopen");
    place.shell("git clone -q $URL/group/open.git public");
    // Known, and without a right to it: missing.
    let wrong = "authorization: Basic eDpxdF93cm9uZw==\r\n";
    let answer = place.get(&advertise("group/open", "upload-pack"), wrong);
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("www-authenticate: Basic"), "{answer}");
    assert_eq!(place.attempt("git push http://x:$(cat reader)@$HOST/none.git HEAD:x").exit, 128);
    // Whoever says nothing pushes nowhere, also where everybody reads.
    assert!(place.get(&advertise("group/open", "receive-pack"), "").starts_with("HTTP/1.1 401"));
    for forged in [
        "remote-user: ada\r\n",
        "x-remote-user: ada\r\n",
        "quire-visitor: user ada\r\n",
        "authorization: Basic YWRhOg==\r\n",
        "x-forwarded-user: ada\r\n",
        "cookie: quire_session=qs_x\r\n",
    ] {
        let answer = place.get(&advertise("site", "upload-pack"), forged);
        assert!(answer.starts_with("HTTP/1.1 401"), "{forged}: {answer}");
    }
    let host = place.ask(b"GET /group/open.git/info/refs?service=git-upload-pack HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    assert!(host.starts_with("HTTP/1.1 421"), "{host}");
}

#[test]
fn only_smart_http_is_served_and_a_new_name_is_followed() {
    let place = Place::new("{}");
    for path in [
        "HEAD",
        "config",
        "objects/info/packs",
        "info/refs",
        "info/refs?service=git-upload-archive",
        "hooks/pre-receive",
        "quire.json",
    ] {
        let answer = place.get(&format!("/site.git/{path}"), "");
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
    }
    for path in [
        "/site.git/../site.git/git-upload-pack",
        "/%2e%2e/site.git/info/refs",
        "/..%2fsite.git/info/refs",
        "/site%00.git/info/refs",
    ] {
        assert!(!place.get(path, "").starts_with("HTTP/1.1 200"), "{path}");
    }
    let lfs = place.attempt(
        "curl -s -o out -w '%{http_code} %{content_type}' -X POST -H 'content-type: application/vnd.git-lfs+json' -d '{}' $URL/site.git/info/lfs/objects/batch; cat out",
    );
    assert!(
        lfs.output.starts_with(
            "501 application/vnd.git-lfs+json{\"message\":\"quire does not store files of git-lfs"
        ),
        "{}",
        lfs.output
    );
    place.shell("git clone -q $URL/site.git old && quire repo rename site web");
    let pulled = place.attempt("cd old && git pull 2>&1");
    assert!(
        pulled.exit == 0 && pulled.output.contains("redirecting to") && pulled.output.contains("/web.git/"),
        "{}",
        pulled.output
    );
    let pushed = place.attempt(
        "cd old && git push http://x:$(cat ../writer)@$HOST/site.git HEAD:refs/heads/x -o ci.skip 2>&1",
    );
    assert!(pushed.exit == 0 && pushed.output.contains("/web.git/"), "{}", pushed.output);
    place.shell("quire repo new site");
    assert_eq!(place.shell("git ls-remote $URL/site.git"), "");
}

#[test]
fn a_client_that_leaves_stalls_or_lies_leaves_no_process() {
    let place = Place::new("{}");
    let host = &place.address;
    let start = |path: &str, lines: &str| {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "POST {path} HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n").unwrap();
        stream
    };
    let token = fs::read_to_string(place.world.path().join("writer")).unwrap();
    let authorized = format!(
        "authorization: Bearer {}\r\ncontent-type: application/x-git-receive-pack-request\r\n",
        token.trim()
    );
    for body in ["transfer-encoding: chunked\r\n\r\n4\r\n00a0", "content-length: 1000000\r\n\r\n00a0"] {
        let streams: Vec<TcpStream> =
            (0..4).map(|_| start("/site.git/git-receive-pack", &format!("{authorized}{body}"))).collect();
        assert!(place.world.eventually(|_| place.backends() == 4), "{body}");
        drop(streams);
        assert!(place.world.eventually(|_| place.backends() == 0), "{body}");
    }
    // A body that is no request of git, and one whose length is a lie.
    let fetch = "content-type: application/x-git-upload-pack-request\r\nconnection: close\r\n";
    for (body, status) in [
        ("content-length: 4\r\n\r\nzzzz", "200"),
        ("content-encoding: gzip\r\ncontent-length: 4\r\n\r\nzzzz", "200"),
    ] {
        let mut stream = start("/site.git/git-upload-pack", &format!("{fetch}{body}"));
        let mut answer = String::new();
        let _reset = stream.read_to_string(&mut answer).is_err();
        assert!(answer.is_empty() || answer.contains(status) || answer.contains("502"), "{answer}");
    }
    assert!(place.world.eventually(|_| place.backends() == 0));
    // A body where none is expected, and a wrong method.
    assert!(place.get("/site.git/git-upload-pack", "").starts_with("HTTP/1.1 405"));
    place.shell("git ls-remote -q $URL/site.git");
}
