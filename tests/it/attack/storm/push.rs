//! One `git push`, of which client, receive-pack or a hook may be killed on the way.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::super::Random;
use crate::stories::world::World;

/// How long a push may take, and what is left of it afterwards.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable by which the processes of a push are found.
const MARK: &str = "QUIRE_STORM_PUSH";

/// Who is killed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Nobody,
    Client,
    ReceivePack,
    PreReceive,
    PostReceive,
}

/// One move of one ref that a push is to make.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) ref_name: String,
    pub(super) new: String,
}

/// A push that is to be made.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) mark: String,
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) pusher: String,
    pub(super) options: Vec<String>,
    pub(super) arguments: Vec<String>,
    pub(super) steps: Vec<Step>,
    pub(super) victim: Victim,
}

/// How a push ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Accepted,
    Refused,
    /// Somebody was killed: the refs decide.
    Unknown,
    /// It took too long.
    Hung,
}

impl Victim {
    /// Mostly nobody.
    pub(super) fn any(random: &mut Random) -> Self {
        match random.below(12) {
            0 => Self::Client,
            1 => Self::ReceivePack,
            2 => Self::PreReceive,
            3 => Self::PostReceive,
            _ => Self::Nobody,
        }
    }

    /// Whether a process is the one, by its command line.
    fn is(self, command: &[u8]) -> bool {
        let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
        let has = |word: &str| command.windows(word.len()).any(|part| part == word.as_bytes());
        match self {
            Self::Nobody | Self::Client => false,
            Self::ReceivePack => has("receive-pack") && !has("push\0"),
            Self::PreReceive => first.ends_with(b"pre-receive"),
            Self::PostReceive => first.ends_with(b"post-receive"),
        }
    }
}

impl Push {
    /// Makes the push and waits until nothing of it is left. What it said goes to `log`.
    pub(super) fn go(&self, world: &World, random: &mut Random, log: &File) -> Pushed {
        let mut command = world.command("git");
        command
            .env_remove("QUIRE_DATA")
            .env_remove("T")
            .env(MARK, &self.mark)
            .env("REMOTE_USER", &self.pusher);
        command.arg("-C").arg(&self.from).arg("push").args(&self.arguments);
        command.args(self.options.iter().flat_map(|option| ["-o", option]));
        command.arg(&self.to);
        command.args(self.steps.iter().map(|step| {
            let is_deletion = step.new.bytes().all(|digit| digit == b'0');
            format!("{}:{}", if is_deletion { "" } else { &step.new }, step.ref_name)
        }));
        command.stdout(Stdio::null()).stderr(log.try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let began = Instant::now();
        let delay = Duration::from_micros(random.between(0, 120_000) as u64);
        let mut has_killed = false;
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if !has_killed {
                has_killed = self.kill(&mut child, began.elapsed() > delay, random);
            }
            if began.elapsed() > PATIENCE {
                break None;
            }
            std::thread::sleep(Duration::from_micros(if self.victim == Victim::Nobody { 2000 } else { 300 }));
        };
        let Some(status) = ended else {
            let _gone = child.kill().is_err();
            child.wait().unwrap();
            self.end_what_is_left();
            return Pushed::Hung;
        };
        if has_killed && !self.nothing_is_left() {
            self.end_what_is_left();
            return Pushed::Hung;
        }
        // Without a hook git still says what has moved.
        let says_nothing = has_killed && matches!(self.victim, Victim::Client | Victim::ReceivePack);
        match status.success() {
            _ if says_nothing => Pushed::Unknown,
            true => Pushed::Accepted,
            false => Pushed::Refused,
        }
    }

    /// Kills the victim if it is there; whether it was.
    fn kill(&self, client: &mut Child, is_time: bool, random: &mut Random) -> bool {
        match self.victim {
            Victim::Nobody => false,
            Victim::Client => is_time && client.kill().is_ok(),
            // It lives for long, the hooks do not.
            Victim::ReceivePack if !is_time => false,
            Victim::ReceivePack | Victim::PreReceive | Victim::PostReceive => {
                let Some(pid) = find(client.id(), &|command| self.victim.is(command)) else { return false };
                std::thread::sleep(Duration::from_micros(random.between(0, 3000) as u64));
                kill_process(pid, Signal::KILL).is_ok()
            }
        }
    }

    /// Waits until no process of the push is left.
    fn nothing_is_left(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.processes().is_empty() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    fn end_what_is_left(&self) {
        for pid in self.processes() {
            let _gone = kill_process(pid, Signal::KILL).is_err();
        }
    }

    fn processes(&self) -> Vec<Pid> {
        let mark = format!("{MARK}={}\0", self.mark).into_bytes();
        let pids = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let is_ours = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.windows(mark.len()).any(|part| part == mark)
        };
        pids.filter(is_ours).filter_map(Pid::from_raw).collect()
    }
}

/// The process below this one with this command line.
fn find(pid: u32, is_wanted: &dyn Fn(&[u8]) -> bool) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    for child in children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()) {
        let command = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        if is_wanted(&command) {
            return Pid::from_raw(child.cast_signed());
        }
        if let Some(found) = find(child, is_wanted) {
            return Some(found);
        }
    }
    None
}
