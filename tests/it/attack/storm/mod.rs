//! The push storm: clients that push, move and delete refs of several repositories at once, while clients, hooks,
//! receive-packs, runners and the server are killed. The clients keep books: each move of a ref has one record with
//! its pusher and options, and each run was executed once.

mod books;
mod client;
mod keeper;
mod push;
mod targets;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quire::sys::lock;

use super::disk::Disk;
use super::{Attack, Count, Harm, Random};
use crate::stories::world::World;
use client::{Client, Moved};
use keeper::{Keeper, RunName};
use targets::Targets;

/// How long nothing may change while something is still under way after the clients have ended.
const PATIENCE: Duration = Duration::from_secs(20);

/// How large a storm is.
pub(super) struct Size {
    clients: usize,
    repos: usize,
    time: Duration,
    longest_peace_ms: usize,
    /// Clients wait while there are more runs than this.
    max_unfinished: usize,
}

/// A storm under way.
struct Storm<'a> {
    world: &'a World,
    size: Size,
    targets: Targets,
    repos: Vec<String>,
    marks: PathBuf,
    /// The disk of the data folder, when it is one that becomes full.
    disk: Option<Disk>,
    until: Instant,
    /// How often the server was harmed; odd while it is.
    server_harms: AtomicUsize,
    /// Moves of the ref of all whose pushes have reported to a server that was there all the while.
    reported: Mutex<Vec<Moved>>,
    attack: Mutex<&'a mut Attack>,
}

#[test]
fn no_push_is_lost_or_doubled_in_a_storm_of_kills() {
    let mut attack = Attack::new("storm", 1);
    while let Some(random) = attack.next_round() {
        let size = Size::of(&attack);
        storm(&mut attack, size, None, random);
    }
    attack.finish();
}

/// One storm and the comparison of the books.
pub(super) fn storm(attack: &mut Attack, size: Size, disk: Option<fn(&Path) -> Disk>, mut random: Random) {
    let world = World::new();
    let storm = Storm::new(&world, size, disk, attack);
    let mut keeper = Keeper::new(&storm, Random::new(random.next(), "keeper", 0));
    let clients: Vec<_> = (0..storm.size.clients)
        .map(|number| Client::new(&storm, number, Random::new(random.next(), "client", 0)))
        .collect();
    let moved: Vec<Moved> = std::thread::scope(|scope| {
        let working: Vec<_> = clients.into_iter().map(|client| scope.spawn(|| client.work())).collect();
        keeper.work();
        working.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    storm.wait_until_settled(moved.len());
    // The next server looks at everything again.
    keeper.kill_and_start();
    storm.wait_until_settled(moved.len());
    keeper.note_memory();
    keeper.stop();
    books::compare(&storm, &moved, keeper.killed());
    storm.look_for_leftovers();
}

impl Size {
    /// The same, with something to do for the keeper every moment.
    pub(super) fn without_rest(self) -> Self {
        Self { longest_peace_ms: 300, ..self }
    }

    pub(super) fn of(attack: &Attack) -> Self {
        if attack.is_long() {
            let time = attack.time_left().clamp(Duration::from_secs(5), Duration::from_secs(40));
            Self { clients: 6, repos: 10, time, longest_peace_ms: 1500, max_unfinished: 40 }
        } else {
            let time = Duration::from_secs(3);
            Self { clients: 3, repos: 3, time, longest_peace_ms: 400, max_unfinished: 6 }
        }
    }
}

impl<'a> Storm<'a> {
    /// Makes the repositories. No server runs.
    fn new(world: &'a World, size: Size, disk: Option<fn(&Path) -> Disk>, attack: &'a mut Attack) -> Self {
        let disk = disk.map(|mount| mount(&world.path().join("data")));
        let marks = world.path().join("marks");
        let targets = Targets::new(world, &marks);
        fs::write(world.path().join("data/config.fnl"), "{:limits {:runs 3}}").unwrap();
        let repos: Vec<String> = (0..size.repos).map(|number| format!("r{number}")).collect();
        for (number, repo) in repos.iter().enumerate() {
            let made = world.run(world.command("quire").args(["repo", "new", repo]));
            assert_eq!(made.exit, 0, "{}", made.output);
            let git_dir = world.path().join(format!("data/repos/{repo}.git"));
            // Git refuses some pushes after the hook has announced them.
            for setting in [None, Some("receive.denyNonFastForwards"), Some("receive.denyDeletes")]
                .get(number % 3)
                .into_iter()
                .flatten()
            {
                let git =
                    world.run(world.command("git").arg("-C").arg(&git_dir).args(["config", setting, "true"]));
                assert_eq!(git.exit, 0, "{}", git.output);
            }
        }
        let until = Instant::now() + size.time;
        let (server_harms, reported) = (AtomicUsize::new(0), Mutex::default());
        let attack = Mutex::new(attack);
        Storm { world, size, targets, repos, marks, disk, until, server_harms, reported, attack }
    }

    fn is_over(&self) -> bool {
        Instant::now() > self.until
    }

    /// Harms the server, so that reports may be lost meanwhile.
    fn while_harmed(&self, harm: impl FnOnce()) {
        self.server_harms.fetch_add(1, Ordering::SeqCst);
        harm();
        self.server_harms.fetch_add(1, Ordering::SeqCst);
    }

    fn server_harms(&self) -> usize {
        self.server_harms.load(Ordering::SeqCst)
    }

    fn harm(&self, harm: Harm, input: &str) {
        self.attack.lock().unwrap().harm(harm, input);
    }

    fn count(&self, what: Count, more: u64) {
        self.attack.lock().unwrap().count(what, more);
    }

    fn note_memory(&self, pid: u32) {
        self.attack.lock().unwrap().note_memory(pid);
    }

    fn git_dir(&self, repo: &str) -> PathBuf {
        self.world.path().join(format!("data/repos/{repo}.git"))
    }

    /// The refs of a repository in these places.
    fn refs(&self, repo: &str, places: &[&str]) -> BTreeMap<String, String> {
        let mut git = self.world.command("git");
        git.arg("-C").arg(self.git_dir(repo)).args(["for-each-ref", "--format=%(refname) %(objectname)"]);
        let listed = self.world.run(git.args(places));
        assert_eq!(listed.exit, 0, "{}", listed.output);
        let pair = |line: &str| line.rsplit_once(' ').map(|(name, id)| (name.to_owned(), id.to_owned()));
        listed.output.lines().filter_map(pair).collect()
    }

    fn database(&self) -> Option<rusqlite::Connection> {
        quire::store::open_read_only(&self.world.path().join("data/quire.db")).ok()
    }

    /// What a statement counts; nothing while the database cannot be read.
    fn number(&self, sql: &str) -> Option<usize> {
        let count: i64 = self.database()?.query_row(sql, [], |row| row.get(0)).ok()?;
        usize::try_from(count).ok()
    }

    fn unfinished_runs(&self) -> usize {
        self.number("SELECT count(*) FROM runs WHERE state <> 'finished'").unwrap_or_default()
    }

    /// The locks of the runs that have a runner.
    fn live_runners(&self) -> Vec<(RunName, PathBuf)> {
        let mut found = Vec::new();
        for repo in &self.repos {
            let folder = self.world.path().join(format!("data/runs/{repo}.git"));
            for run in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
                let lock = run.path().join("lock");
                let number = run.file_name().to_str().and_then(|name| name.parse().ok());
                if let Some(number) = number.filter(|_| lock::is_held(&lock).unwrap_or(false)) {
                    found.push(((repo.clone(), number), lock));
                }
            }
        }
        found
    }

    fn spooled(&self) -> usize {
        let entries = fs::read_dir(self.world.path().join("data/spool")).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).count()
    }

    /// Waits until nothing is under way and as much is recorded as has happened.
    fn wait_until_settled(&self, moves: usize) {
        let mut last = None;
        let mut changed = Instant::now();
        loop {
            let open = self.number("SELECT count(*) FROM pushes WHERE is_open = 1");
            let unfinished = self.number("SELECT count(*) FROM runs WHERE state <> 'finished'");
            let updates = self.number("SELECT count(*) FROM updates");
            let now = (open, unfinished, updates, self.spooled());
            if (open, unfinished, now.3) == (Some(0), Some(0), 0) && updates >= Some(moves) {
                return;
            }
            if last != Some(now) {
                (last, changed) = (Some(now), Instant::now());
            }
            if changed.elapsed() > PATIENCE {
                let said = format!(
                    "no change for {PATIENCE:?}: {open:?} pushes open, {unfinished:?} runs not finished, \
                     {} spooled, {updates:?} updates of {moves} recorded",
                    now.3
                );
                return self.harm(Harm::Hang, &said);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Nothing runs any more, and no server has panicked.
    fn look_for_leftovers(&self) {
        for pid in self.world.processes() {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            self.harm(Harm::Hang, &format!("a process is left: {pid} {command}"));
        }
        let log = self.world.serve_log();
        for line in log.lines().filter(|line| line.contains("panicked")) {
            self.harm(Harm::Crash, line);
        }
        if self.attack.lock().unwrap().is_harmed() {
            keep(self.world.path());
        }
    }
}

/// Keeps what is left of a storm that did harm, where `QUIRE_ATTACK_KEEP` says.
fn keep(world: &Path) {
    if let Some(folder) = std::env::var_os("QUIRE_ATTACK_KEEP") {
        let copied = std::process::Command::new("cp").arg("-a").arg(world).arg(&folder).status();
        eprintln!("attack: what is left is kept in {}: {copied:?}", folder.display());
    }
}
