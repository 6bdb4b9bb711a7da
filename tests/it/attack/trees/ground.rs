//! A server with one repository, and a folder outside that must stay as it is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use quire::sys::lock;
use rustix::process::{Pid, Signal, kill_process};

use super::super::{Attack, Count, Harm};
use crate::stories::world::World;

/// How long a command may take that looks at runs.
const COMMAND_TIME: Duration = Duration::from_secs(10);

/// How long a run may take that has nothing to do but to end.
const RUN_TIME: Duration = Duration::from_secs(30);

/// How long the step of an attack may take to make its tree, up to 50,000 files one by one.
const TREE_TIME: Duration = Duration::from_secs(240);

/// The most address space of server and commands, in bytes: what reads without end is ended.
const MAX_ADDRESS_SPACE: u64 = 6 << 30;

/// What a pipeline does when nothing odd is meant.
pub(super) const HARMLESS: &str = "echo harmless";

/// The server, its repository `foo`, and the folder outside.
pub(super) struct Ground<'a> {
    pub(super) world: World,
    attack: &'a mut Attack,
    outside: String,
    is_serving: bool,
}

impl<'a> Ground<'a> {
    pub(super) fn new(attack: &'a mut Attack) -> Self {
        let world = World::new();
        let outside = world.path().join("outside");
        fs::create_dir_all(outside.join("folder")).unwrap();
        for name in ["file", "folder/file", "journal.ndjson", "1.log"] {
            fs::write(outside.join(name), format!("{name}\n")).unwrap();
        }
        let mut ground = Ground { world, attack, outside: String::new(), is_serving: false };
        ground.shell(
            "quire repo new foo && git init -q foo && git -C foo remote add origin $T/data/repos/foo.git",
        );
        ground.outside = listing(&outside);
        ground.start();
        ground
    }

    pub(super) fn outside(&self) -> PathBuf {
        self.world.path().join("outside")
    }

    pub(super) fn git_dir(&self) -> PathBuf {
        self.world.path().join("data/repos/foo.git")
    }

    pub(super) fn run_dir(&self, number: u64) -> PathBuf {
        self.world.path().join(format!("data/runs/foo.git/{number}"))
    }

    pub(super) fn harm(&mut self, harm: Harm, input: &str) {
        self.attack.harm(harm, input);
    }

    /// Runs a command of the attack's own, which has to succeed.
    pub(super) fn shell(&self, script: &str) {
        let ended = self.world.run(self.world.command("sh").args(["-c", script]));
        assert_eq!(ended.exit, 0, "{script}: {}", ended.output);
    }

    pub(super) fn start(&mut self) {
        assert!(!self.is_serving);
        match self.world.serve(&[]) {
            Ok(()) => {
                self.is_serving = true;
                let limit = Command::new("prlimit")
                    .arg(format!("--as={MAX_ADDRESS_SPACE}"))
                    .arg(format!("--pid={}", self.world.server_pid()))
                    .status();
                assert!(limit.unwrap().success());
            }
            Err(said) => panic!("the server does not start: {said}"),
        }
    }

    pub(super) fn kill_server(&mut self) {
        self.attack.note_memory(self.world.server_pid());
        self.world.end_server("KILL");
        self.is_serving = false;
    }

    /// Pushes a pipeline whose one step does this; gives the number of its run.
    pub(super) fn push(&mut self, script: &str) -> Option<u64> {
        let pipeline =
            "(local ci (require :quire.ci))\n(ci:job :work [:quire/push] (fn [] (sh \"sh ./deed\")))\n";
        let folder = self.world.path().join("foo");
        fs::create_dir_all(folder.join(".quire")).unwrap();
        fs::write(folder.join(".quire/ci.fnl"), pipeline).unwrap();
        fs::write(folder.join("deed"), format!("{script}\n")).unwrap();
        self.shell("cd foo && git add -A && git commit -q --allow-empty -m m && git push -q -f origin HEAD:main 2>/dev/null");
        self.attack.count(Count::Pushes, 1);
        let head = fs::read_to_string(folder.join(".git/refs/heads/main")).unwrap();
        self.run_of("refs/heads/main", head.trim())
    }

    /// The run of a ref update, which has to be recorded; nothing when it has none.
    pub(super) fn run_of(&mut self, ref_name: &str, id: &str) -> Option<u64> {
        let database = self.world.path().join("data/quire.db");
        let find = || -> Option<Option<i64>> {
            let sql = "SELECT number FROM updates LEFT JOIN runs ON update_id = updates.id
                       WHERE updates.ref = ?1 AND new = ?2";
            let found = quire::store::open_read_only(&database).ok()?;
            found.query_row(sql, (ref_name.as_bytes(), id), |row| row.get(0)).ok()
        };
        let mut run = None;
        if !self.waits_for(|| {
            find().is_some_and(|found| {
                run = found;
                true
            })
        }) {
            self.attack.harm(Harm::Lost, &format!("{ref_name} is at {id}, and nothing is recorded"));
        }
        run.and_then(|number| u64::try_from(number).ok())
    }

    /// The number of the run that is made next.
    pub(super) fn next_run(&self) -> u64 {
        let database = quire::store::open_read_only(&self.world.path().join("data/quire.db")).unwrap();
        let last: i64 =
            database.query_row("SELECT ifnull(max(number), 0) FROM runs", [], |row| row.get(0)).unwrap();
        u64::try_from(last + 1).unwrap()
    }

    pub(super) fn count(&mut self, what: Count) {
        self.attack.count(what, 1);
    }

    /// Waits until a run has ended; nothing when it does not.
    pub(super) fn outcome(&mut self, number: u64, what: &str) -> Option<String> {
        let database = self.world.path().join("data/quire.db");
        let deadline = Instant::now() + RUN_TIME;
        while Instant::now() < deadline {
            let connection = quire::store::open_read_only(&database).ok();
            let sql = "SELECT outcome FROM runs WHERE number = ?1 AND state = 'finished'";
            let number = i64::try_from(number).unwrap();
            if let Some(outcome) =
                connection.and_then(|found| found.query_row(sql, [number], |row| row.get(0)).ok())
            {
                self.attack.count(Count::Runs, 1);
                return Some(outcome);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.attack.harm(Harm::Hang, &format!("{what}: run {number} has not ended after {RUN_TIME:?}"));
        None
    }

    /// Whether the server has recorded that the run began.
    pub(super) fn is_running(&self, number: u64) -> bool {
        let database = quire::store::open_read_only(&self.world.path().join("data/quire.db"));
        let sql = "SELECT count(*) FROM runs WHERE number = ?1 AND state = 'running'";
        let number = i64::try_from(number).unwrap();
        database.is_ok_and(|found| found.query_row(sql, [number], |row| row.get(0)) == Ok(1))
    }

    /// Waits until something is so; whether it came.
    pub(super) fn waits_for(&self, is_so: impl FnMut() -> bool) -> bool {
        self.waits_within(RUN_TIME, is_so)
    }

    /// Waits until a step has made its tree, which is the attack's own work.
    pub(super) fn waits_for_tree(&self, is_made: impl FnMut() -> bool) -> bool {
        self.waits_within(TREE_TIME, is_made)
    }

    fn waits_within(&self, time: Duration, mut is_so: impl FnMut() -> bool) -> bool {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            if is_so() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Kills the runner of a run, if it has one.
    pub(super) fn kill_runner(&self, number: u64) {
        let path = self.run_dir(number).join("lock");
        if let Ok(Some(pid)) = lock::holder_pid(&path)
            && lock::is_held(&path).unwrap_or(false)
            && let Some(pid) = Pid::from_raw(pid.as_raw_pid())
        {
            let _gone = kill_process(pid, Signal::KILL).is_err();
        }
    }

    /// The commands answer about a run, the server lives, a new server starts, the next push runs, and outside nothing
    /// has changed.
    pub(super) fn check(&mut self, number: u64, what: &str) {
        self.attack.count(Count::Inputs, 1);
        let before = self.look(number);
        for problem in before {
            self.attack.harm(problem.0, &format!("{what}: {}", problem.1));
        }
        if self.is_serving && self.world.has_server_ended() {
            self.attack.harm(Harm::Crash, &format!("{what}: the server has ended"));
            self.is_serving = false;
        }
        if self.is_serving {
            self.kill_server();
        }
        self.start();
        let next = self.push(HARMLESS);
        let outcome = next.and_then(|next| self.outcome(next, &format!("{what}: the next push")));
        if outcome.as_deref() != Some("passed") {
            self.attack.harm(Harm::Wrong, &format!("{what}: the run of the next push is {outcome:?}"));
        }
        let outside = listing(&self.outside());
        if outside != self.outside {
            let said = format!("{what}: outside something has changed:\n{}\nis now\n{outside}", self.outside);
            self.attack.harm(Harm::Wrong, &said);
            self.outside = outside;
        }
    }

    /// What is wrong with the answers of the commands.
    fn look(&self, number: u64) -> Vec<(Harm, String)> {
        let mut found = Vec::new();
        let run = format!("foo#{number}");
        for words in [
            &["runs", "--json"][..],
            &["show", &run],
            &["show", &run, "--json"],
            &["logs", &run],
            &["logs", &run, "--json"],
            &["doctor"],
        ] {
            let script = format!(
                "set -o pipefail; ulimit -v {}; timeout -s KILL {} quire \"$@\" | tail -c 100000",
                MAX_ADDRESS_SPACE >> 10,
                COMMAND_TIME.as_secs() + 1
            );
            let began = Instant::now();
            let ended = self.world.run(self.world.command("bash").args(["-c", &script, "quire"]).args(words));
            let took = began.elapsed();
            if took > COMMAND_TIME {
                found.push((Harm::Hang, format!("`quire {}` took {took:?}", words.join(" "))));
            } else if ended.exit >= 128 || ended.output.contains("panicked") {
                let said = format!("`quire {}` ended with {}: {}", words.join(" "), ended.exit, ended.output);
                found.push((Harm::Crash, said));
            } else if words == ["runs", "--json"] && ended.exit != 0 {
                found
                    .push((Harm::Wrong, format!("`quire runs` ended with {}: {}", ended.exit, ended.output)));
            }
        }
        found
    }
}

impl Drop for Ground<'_> {
    fn drop(&mut self) {
        self.world.stop_everything();
        clear(self.world.path());
    }
}

/// Removes what is mounted below a folder, makes everything removable, and removes what is too deep for the library.
pub(super) fn clear(folder: &Path) {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted =
        text.lines().filter_map(|line| line.split(' ').nth(4)).filter(|at| Path::new(at).starts_with(folder));
    for place in mounted.collect::<Vec<_>>().into_iter().rev() {
        let unmounted = Command::new("umount").args(["-l", place]).status();
        assert!(std::thread::panicking() || unmounted.unwrap().success(), "{place} is still mounted");
    }
    let script = "chattr -R -f -i -a \"$1\"/data/runs \"$1\"/data/trash 2>/dev/null; rm -rf \"$1\"/data";
    let _removed = Command::new("sh").args(["-c", script, "sh"]).arg(folder).status();
}

/// Everything in a folder, with kind, mode, owner, size, time and content. No link is followed.
fn listing(folder: &Path) -> String {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::symlink_metadata(&path).unwrap();
            let text =
                if data.is_file() { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            let (mode, size, mtime) = (data.mode(), data.size(), data.mtime_nsec());
            lines.push(format!("{name} {mode:o} {} {size} {mtime} {text:?}", data.uid()));
            if data.is_dir() {
                folders.push(path);
            }
        }
    }
    lines.sort();
    lines.join("\n")
}
