//! Reading the folders of runs: large ones, and ones in which a step has put something else.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Place, status};

/// The most memory that readers may add to a server, in KiB.
const MAX_GROWTH: u64 = 200 << 10;

impl Place {
    fn run_dir(&self, number: u64) -> PathBuf {
        self.data().join("runs/foo.git").join(number.to_string())
    }

    /// The most memory that the server has had, in KiB.
    fn peak_memory(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.server_pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// What a command prints, and its exit code; it may not take more than ten seconds, nor more memory than it needs.
    fn limited(&self, command: &str) -> (String, i32) {
        let command = format!("ulimit -v 2000000; timeout 10 {command}");
        let ended = self.world.run(self.world.command("sh").args(["-c", &command]));
        (ended.output, ended.exit)
    }
}

/// Writes a log of lines with this output, of about 40 MB.
fn write_log(path: &Path, output: &str) {
    let line = format!("2026-11-20T23:59:59.007Z stdout F {output}\n");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, line.repeat(40_000_000 / line.len())).unwrap();
}

#[test]
fn pages_of_large_runs_cost_what_they_show() {
    let place = Place::new();
    place.push();
    for (name, output) in [("1.log", ""), ("2.log", "x"), ("3.log", &"y".repeat(1000))] {
        write_log(&place.run_dir(1).join("log/t").join(name), output);
    }
    let before = place.peak_memory();
    std::thread::scope(|scope| {
        let asks: Vec<_> = (0..16).map(|_| scope.spawn(|| place.get("/foo/run/1"))).collect();
        for ask in asks {
            let page = ask.join().unwrap();
            assert!(matches!(status(&page), "200" | "503"), "{}", &page[..100]);
            assert!(page.len() < 3 << 20);
            assert!(status(&page) == "503" || page.contains("earlier output is shown by  quire logs"));
        }
    });
    let grown = place.peak_memory() - before;
    assert!(grown < MAX_GROWTH, "{grown} KiB");
    assert!(place.get("/foo/run/1").contains("run foo#1: passed"));
}

#[test]
fn a_push_that_waits_costs_what_it_shows() {
    let place = Place::new();
    let job = "(ci:job :t [:quire/push] (fn [] (sh \"yes '' | head -c 400000; exit 3\")))";
    fs::write(place.world.path().join("foo/.quire/ci.fnl"), format!("(local ci (require :quire.ci)) {job}"))
        .unwrap();
    place.shell("cd foo && git commit -qam large");
    let before = place.peak_memory();
    for option in ["ci.wait", "ci.log"] {
        let said = place.shell(&format!(
            "cd foo && git commit -q --allow-empty -m next && git push -o {option} origin HEAD:main 2>&1"
        ));
        assert!(
            said.contains("exit status 3") || said.contains("exit 3"),
            "{}",
            &said[..said.len().min(2000)]
        );
    }
    let grown = place.peak_memory() - before;
    assert!(grown < MAX_GROWTH / 4, "{grown} KiB");
    assert_eq!(place.limited("quire logs 'foo#2' | wc -l").0.trim(), "400000");
}

#[test]
fn nothing_in_a_log_folder_stops_its_readers() {
    let place = Place::new();
    place.push();
    let logs = place.run_dir(1).join("log");
    let job = logs.join("t");
    place.shell(&format!(
        "cd {0} && mkfifo 2.log && ln -s /dev/zero 3.log && ln -s /etc/passwd 4.log && truncate -s 40G 5.log &&
         mkdir 6.log && ln -s /etc ../etc && ln -s {0} ../loop && mkfifo ../gate.log",
        job.display()
    ));
    let page = place.get("/foo/run/1");
    assert!(page.contains("run foo#1: passed"), "{page}");
    assert!(!page.contains("root:"), "a link was followed");
    fs::remove_file(job.join("5.log")).unwrap();
    for command in ["quire logs 'foo#1'", "quire show 'foo#1'", "quire runs --json"] {
        let (output, exit) = place.limited(command);
        assert_eq!(exit, 0, "{command}\n{output}");
        assert!(!output.contains("root:"), "{command} follows a link");
    }
    let said = place.limited("quire logs 'foo#1'").0;
    for name in ["t/2.log", "t/3.log", "t/4.log", "gate.log"] {
        assert!(said.contains(&format!("cannot read log/{name}")), "{name}\n{said}");
    }
    place.push();
}

#[test]
fn a_journal_that_is_not_a_file_is_an_error_with_its_name() {
    let place = Place::new();
    place.push();
    let journal = place.run_dir(1).join("journal.ndjson");
    let kept = fs::read_to_string(&journal).unwrap();
    let run = place.run_dir(1);
    let hostile = [
        ("rm J && mkfifo J", "not a regular file"),
        ("rm -f J && ln -s /dev/zero J", "symbolic links are not followed"),
        ("rm -f J && ln -s /etc/passwd J", "symbolic links are not followed"),
        ("rm -f J && mkdir J", "not a regular file"),
        ("rmdir J && truncate -s 40G J", "MiB"),
        ("rm -f J && echo '{\"v\":99}' >J", "has version 99"),
        ("echo '{\"v\":1,\"t\":\"x\",\"fact\":{\"kind\":\"new\"}}' >J", "does not know"),
        ("cd / && mv R R.kept && ln -s R.kept R", "symbolic links are not followed"),
    ];
    for (change, problem) in hostile {
        let change = change.replace('J', journal.to_str().unwrap());
        place.shell(
            &change
                .replace("R.kept", &format!("{}.kept", run.display()))
                .replace(" R", &format!(" {}", run.display())),
        );
        for command in ["quire show 'foo#1'", "quire show 'foo#1' --json", "quire logs 'foo#1'"] {
            let (output, exit) = place.limited(command);
            assert_eq!(exit, 5, "{change}: {command}\n{output}");
            assert!(output.contains(problem), "{change}: {command}\n{output}");
        }
        let (output, exit) = place.limited("quire runs --json");
        assert!(exit == 0 && output.contains("\"outcome\": \"passed\""), "{change}\n{output}");
        let page = place.get("/foo/run/1");
        assert!(page.contains("run foo#1: passed") && page.contains(problem), "{change}\n{page}");
    }
    place.shell(&format!("rm {0} && mv {0}.kept {0}", run.display()));
    fs::write(&journal, kept).unwrap();
    assert_eq!(place.limited("quire show 'foo#1'").1, 0);
}

#[test]
fn a_run_that_replaces_its_own_journal_ends_and_is_not_run_again() {
    let place = Place::new();
    for (number, change) in [(1, "rm J && mkfifo J"), (2, "rm J && ln -s /dev/zero J")] {
        let journal = place.run_dir(number).join("journal.ndjson");
        let command = change.replace('J', journal.to_str().unwrap());
        let ran = place.world.path().join("ran");
        let job = format!(
            "(ci:job :t [:quire/push] (fn [] (sh \"echo x >>{}; {command}; kill -9 $PPID\")))",
            ran.display()
        );
        fs::write(
            place.world.path().join("foo/.quire/ci.fnl"),
            format!("(local ci (require :quire.ci)) {job}"),
        )
        .unwrap();
        place.shell("cd foo && git commit -qam hostile && git push -q origin HEAD:main 2>&1");
        let ended = |world: &crate::stories::world::World| {
            let shown = world.run(world.command("quire").args(["runs", "--json"])).output;
            let runs: Vec<serde_json::Value> = serde_json::from_str(&shown).unwrap_or_default();
            runs.iter().filter(|run| run["outcome"] == "interrupted").count() as u64 == number
        };
        assert!(place.world.eventually(ended), "{}", place.limited("quire runs --json").0);
        assert_eq!(status(&place.get("/healthz")), "200");
        assert_eq!(fs::read_to_string(&ran).unwrap().lines().count() as u64, number);
    }
}
