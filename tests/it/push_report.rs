//! What a push that waits reads while its run goes on: a ticker, colours, and that the server is gone.

use std::io::Read;
use std::process::{Child, ChildStderr, Stdio};

use crate::stories::world::World;

const PIPELINE: &str = r#"(local ci (require :quire.ci))
(ci:job :test [:quire/push] (fn []
  (sh "printf '\\033[31mred\\033[0m\\n'; while [ ! -e $QUIRE_TEST/gate ] && [ -d $QUIRE_TEST/data ]; do sleep 0.05; done")))
"#;

/// A repository with a job that prints a red word and then waits for the file `gate`.
fn world() -> World {
    let mut world = World::new();
    world.serve(&[]).unwrap();
    std::fs::create_dir_all(world.path().join("work/.quire")).unwrap();
    let pipeline = PIPELINE.replace("$QUIRE_TEST", &world.path().display().to_string());
    std::fs::write(world.path().join("work/.quire/ci.fnl"), pipeline).unwrap();
    let made = "quire repo new site && cd work && git init -q && git add -A && git commit -qm first";
    let made = world.run(world.command("sh").args(["-c", made]));
    assert_eq!(made.exit, 0, "{}", made.output);
    world
}

/// A push with this option.
struct Push {
    git: Child,
    stderr: ChildStderr,
    text: String,
}

impl Push {
    fn start(world: &World, options: &str) -> Self {
        let mut push = world.command("sh");
        push.arg("-c").arg(format!("cd work && exec git push {options} $T/data/repos/site.git HEAD:main"));
        let mut git = push.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stderr = git.stderr.take().unwrap();
        Self { git, stderr, text: String::new() }
    }

    /// Reads until this was read, or nothing more comes.
    fn until(&mut self, wanted: &str) {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while !self.text.contains(wanted) {
            let count = self.stderr.read(&mut chunk).unwrap();
            assert!(count > 0, "`{wanted}` is not in {}", self.text);
            bytes.extend_from_slice(&chunk[..count]);
            self.text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }

    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        assert!(self.git.wait().unwrap().success());
        self.text + &rest
    }
}

#[test]
fn a_ticker_counts_and_is_gone_before_the_next_line() {
    let world = world();
    let mut push = Push::start(&world, "-o ci.live");
    push.until("0/1 · test 1 s");
    std::fs::write(world.path().join("gate"), "").unwrap();
    let text = push.rest();
    let (_, after) = text.rsplit_once("0/1 · test").unwrap();
    let lines: Vec<&str> = after.split(['\r', '\n']).collect();
    assert!(lines[1].trim_end() == "remote:" && lines[1].len() > "remote: 0/1 · test 1 s".len(), "{after}");
    assert!(lines[2].starts_with("remote:   passed   test"), "{after}");
    assert!(after.contains("remote: success: run 1 passed, 1 job, "), "{after}");
}

#[test]
fn output_has_its_colours_unless_they_are_not_wanted() {
    let world = world();
    std::fs::write(world.path().join("gate"), "").unwrap();
    for (options, expected) in [
        ("-o ci.log", "remote: test │ \u{1b}[31mred\u{1b}[0m"),
        ("-o ci.log -o ci.color=never -f", "remote: test │ red"),
    ] {
        let text = Push::start(&world, options).rest();
        assert!(text.contains(expected), "{options}: {text}");
        let again =
            world.run(world.command("sh").args(["-c", "cd work && git commit -q --allow-empty -m again"]));
        assert_eq!(again.exit, 0, "{}", again.output);
    }
}

#[test]
fn a_server_that_is_killed_is_said_to_who_waits() {
    let mut world = world();
    let mut push = Push::start(&world, "-o ci.wait");
    push.until("hint: Ctrl-C stops watching, not the run");
    world.end_server("KILL");
    let text = push.rest();
    assert!(text.contains("remote: warning: lost sight of run 1; it continues"), "{text}");
    assert!(text.contains(" wait 'site#1'"), "{text}");
    world.serve(&[]).unwrap();
    std::fs::write(world.path().join("gate"), "").unwrap();
    let waited = world.run(world.command("quire").args(["wait", "site#1"]));
    assert_eq!(waited.exit, 0, "{}", waited.output);
}
