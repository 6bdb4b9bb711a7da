//! A client: pushes at random to refs of its own and to one that all share, and keeps books of what has moved.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::super::{Count, Harm, Random};
use super::Storm;
use super::push::{Push, Pushed, Step, Victim};
use super::targets::ZERO;

/// The ref of a repository that all clients push to.
pub(super) const SHARED: &str = "refs/heads/shared";

/// How old a lock of all refs is when nobody holds it any more: git waits for it a second.
const STALE: Duration = Duration::from_secs(3);

/// The refs of a client; the second cannot be there while the first is.
const NAMES: [&str; 6] =
    ["heads/C/a", "heads/C/a/below", "heads/C/b", "heads/C/$(id) -x", "tags/C/t", "notes/C/n"];

/// The ref of a client that moves without a push; it is never deleted, because nobody announces that.
const BY_HAND: &str = "heads/C/hand";

/// One move of one ref that has happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moved {
    pub(super) repo: String,
    pub(super) ref_name: String,
    pub(super) old: String,
    pub(super) new: String,
    /// The pusher, and with which options; nothing when nobody did.
    pub(super) said: Option<(String, Vec<String>)>,
}

/// A client under way.
pub(super) struct Client<'a> {
    storm: &'a Storm<'a>,
    name: String,
    random: Random,
    log: File,
    values: BTreeMap<(String, String), String>,
    moved: Vec<Moved>,
    pushes: usize,
}

impl<'a> Client<'a> {
    pub(super) fn new(storm: &'a Storm<'a>, number: usize, random: Random) -> Self {
        let name = format!("c{number}");
        let log = File::create(storm.world.path().join(format!("{name}.log"))).unwrap();
        Client { storm, name, random, log, values: BTreeMap::new(), moved: Vec::new(), pushes: 0 }
    }

    /// Works until the time is over; gives what has moved, in order.
    pub(super) fn work(mut self) -> Vec<Moved> {
        while !self.storm.is_over() {
            if self.storm.unfinished_runs() > self.storm.size.max_unfinished {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            let repo = self.random.pick(&self.storm.repos).clone();
            match self.random.below(12) {
                0 => self.move_by_hand(&repo),
                1..=2 => self.push_to_shared(&repo),
                _ => self.push(&repo),
            }
        }
        self.moved
    }

    fn own(&self, name: &str) -> String {
        format!("refs/{}", name.replace('C', &self.name).replace(' ', ""))
    }

    fn value(&self, repo: &str, ref_name: &str) -> String {
        self.values.get(&(repo.to_owned(), ref_name.to_owned())).cloned().unwrap_or_else(|| ZERO.to_owned())
    }

    fn any_options(&mut self, mark: &str) -> Vec<String> {
        let mark = format!("n={mark}");
        let options: &[&str] = match self.random.below(8) {
            0..=2 => &[],
            3..=4 => &[&mark],
            5 => &["ci.skip", &mark],
            6 => &["ci.skip"],
            _ => &["ci.wait", &mark],
        };
        options.iter().map(|option| (*option).to_owned()).collect()
    }

    fn new_push(&mut self, repo: &str, steps: Vec<Step>, victim: Victim) -> Push {
        self.pushes += 1;
        let mark = format!("{}-{}", self.name, self.pushes);
        Push {
            options: self.any_options(&mark),
            mark,
            from: self.storm.targets.folder.clone(),
            to: self.storm.git_dir(repo),
            pusher: self.name.clone(),
            arguments: Vec::new(),
            steps,
            victim,
        }
    }

    /// Pushes one to three refs of its own.
    fn push(&mut self, repo: &str) {
        let mut steps: Vec<Step> = Vec::new();
        for _ in 0..*self.random.pick(&[1, 1, 1, 2, 3]) {
            let name = *self.random.pick(&NAMES);
            let ref_name = self.own(name);
            let old = self.value(repo, &ref_name);
            let is_deletion = old != ZERO && self.random.one_in(4);
            let target = self.storm.targets.any(&mut self.random, &ref_name).id.clone();
            let new = if is_deletion { ZERO.to_owned() } else { target };
            if steps.iter().all(|step| step.ref_name != ref_name) {
                steps.push(Step { ref_name, new });
            }
        }
        let victim = Victim::any(&mut self.random);
        let mut push = self.new_push(repo, steps, victim);
        if !self.random.one_in(8) {
            push.arguments.push("--force".to_owned());
        }
        if self.random.one_in(6) {
            push.arguments.push("--atomic".to_owned());
        }
        let pushed = self.go(&push);
        let now = self.own_refs(repo);
        let value = |ref_name: &String| now.get(ref_name).cloned().unwrap_or_else(|| ZERO.to_owned());
        for step in &push.steps {
            let new = value(&step.ref_name);
            if pushed == Pushed::Accepted && new != step.new {
                let said = format!("{push:?} was accepted, and {} is {new}", step.ref_name);
                self.storm.harm(Harm::Wrong, &said);
            }
            self.note(repo, &step.ref_name, new, Some((&push.pusher, &push.options)));
        }
    }

    /// Moves a ref that others move, too: the move is known because the push says from which value it goes.
    fn push_to_shared(&mut self, repo: &str) {
        let now = self.storm.refs(repo, &[SHARED]);
        let old = now.get(SHARED).cloned().unwrap_or_else(|| ZERO.to_owned());
        let new = self.storm.targets.any(&mut self.random, SHARED).id.clone();
        let victim =
            *self.random.pick(&[Victim::Nobody, Victim::Nobody, Victim::PreReceive, Victim::PostReceive]);
        let step = Step { ref_name: SHARED.to_owned(), new: new.clone() };
        let mut push = self.new_push(repo, vec![step], victim);
        let lease = if old == ZERO { "" } else { &old };
        push.arguments.push(format!("--force-with-lease={SHARED}:{lease}"));
        let harms = self.storm.server_harms();
        if self.go(&push) == Pushed::Accepted && old != new {
            let is_sure = harms.is_multiple_of(2) && harms == self.storm.server_harms();
            let is_reported = is_sure && victim != Victim::PostReceive;
            let said = Some((push.pusher, push.options));
            let moved = Moved { repo: repo.to_owned(), ref_name: SHARED.to_owned(), old, new, said };
            if is_reported {
                self.storm.reported.lock().unwrap().push(moved.clone());
            }
            self.moved.push(moved);
        }
    }

    /// Moves a ref without a push, as an administrator does.
    fn move_by_hand(&mut self, repo: &str) {
        let ref_name = self.own(BY_HAND);
        let new = self.storm.targets.any(&mut self.random, &ref_name).id.clone();
        // An object that came with no push is not there.
        let mut git = self.storm.world.command("git");
        git.arg("-C").arg(self.storm.git_dir(repo)).args(["update-ref", &ref_name, &new]);
        if self.storm.world.run(&mut git).exit == 0 {
            self.note(repo, &ref_name, new, None);
        }
    }

    fn go(&mut self, push: &Push) -> Pushed {
        use std::io::Write as _;
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        writeln!(self.log, "{at} {push:?}").unwrap();
        let pushed = push.go(self.storm.world, &mut self.random, &self.log);
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        writeln!(self.log, "{at} {} {pushed:?}", push.mark).unwrap();
        match pushed {
            Pushed::Accepted => self.storm.count(Count::Pushes, 1),
            Pushed::Refused => {}
            Pushed::Unknown | Pushed::Hung => self.remove_stale_locks(push),
        }
        if pushed == Pushed::Hung {
            self.storm.harm(Harm::Hang, &format!("a push did not end: {push:?}"));
        }
        pushed
    }

    /// What a killed receive-pack leaves, and nobody removes: its locks.
    fn remove_stale_locks(&self, push: &Push) {
        for step in &push.steps {
            let _none = fs::remove_file(push.to.join(format!("{}.lock", step.ref_name))).is_err();
        }
        let all = push.to.join("packed-refs.lock");
        let age = fs::metadata(&all).and_then(|found| found.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > STALE) {
            let _gone = fs::remove_file(&all).is_err();
        }
    }

    fn own_refs(&self, repo: &str) -> BTreeMap<String, String> {
        let places = ["heads", "tags", "notes"].map(|kind| format!("refs/{kind}/{}/", self.name));
        self.storm.refs(repo, &places.each_ref().map(String::as_str))
    }

    /// Takes note of the value that a ref of its own has now.
    fn note(&mut self, repo: &str, ref_name: &str, new: String, said: Option<(&String, &Vec<String>)>) {
        let old = self.value(repo, ref_name);
        if old == new {
            return;
        }
        self.values.insert((repo.to_owned(), ref_name.to_owned()), new.clone());
        let said = said.map(|(pusher, options)| (pusher.clone(), options.clone()));
        self.moved.push(Moved { repo: repo.to_owned(), ref_name: ref_name.to_owned(), old, new, said });
    }
}
