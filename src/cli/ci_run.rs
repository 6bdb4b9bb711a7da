//! `quire ci run`: the pipeline of a working copy, run on its files as they are now, by the engine that the server uses.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::ci::{find_root, read_files};
use super::exit::{Code, Ended, Failure, print, print_json, verdict};
use super::place::environment;
use crate::config::{self, Asker, DataDir, Settings};
use crate::executor::container::ENGINE_VARIABLES;
use crate::executor::{Environment, Orphans};
use crate::forge::{Repo, copy_working_copy};
use crate::journal::{Fact, RunRecord, StopReason};
use crate::model::{CommitId, Outcome, RefName, RunMark, chain};
use crate::policy::{StartProfiles, policy_of_run};
use crate::run::{
    CONTROL_SOCKET, Confiner, Execution, Fill, Message, PushEvent, Recorder, RunLimits, StepRules, Workspace,
    execute, tell,
};
use crate::secret::{Redactor, SecretGrant, SecretValues};
use crate::sys::git_command::GitCommand;
use crate::sys::{clock, inotify::Inotify, random, socket};
use crate::view::{LogFollower, LogLine, Telling, Told, job_line, plain};

/// How many local runs are kept.
const KEPT_RUNS: u64 = 20;

/// How many of the last lines of a failed job are shown.
const FAILED_LINES: usize = 20;

/// What to print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) verbose: bool,
    pub(super) json: bool,
}

/// A working copy.
struct Copy {
    root: PathBuf,
    git_dir: PathBuf,
    head: Option<CommitId>,
    branch: RefName,
}

/// `quire ci run`.
pub(super) fn run(data: Option<&DataDir>, path: &Path, profiles: StartProfiles, output: Output) -> Ended {
    let root = find_root(path)?;
    let files = read_files(&root)?;
    let copy = look_at(root)?;
    let settings = match data.map(|data| config::load(&data.config())) {
        Some(Ok(settings)) => settings,
        Some(Err(config::ConfigError::Wrong(wrong))) => return Err(Failure::mistakes(&wrong)),
        Some(Err(error)) => return Err(Failure::broken(&error)),
        None => Settings::default(),
    };
    let run_dir = new_run_dir(&copy.git_dir)?;
    let secrets = SecretValues::load(&grants(&settings, &copy.branch));
    let recorder = Recorder::open(&run_dir, Redactor::new(secrets.known()), settings.limits.log_bytes);
    let recorder = recorder.map_err(|error| Failure::broken(&error))?;
    let control = socket::listen(&run_dir.join(CONTROL_SOCKET)).map_err(|error| Failure::broken(&error))?;
    let workspace = Workspace::new(run_dir.join("work"));
    let path = super::place::variable("PATH").map(Into::into);
    let execution = Execution {
        // The id of the run is new, so that nothing else can have its mark.
        mark: RunMark { instance: random::instance_id(), run: random::run_id() },
        recorder: recorder.clone(),
        secrets,
        environment: step_environment(&settings),
        workspace: workspace.clone(),
        limits: RunLimits::of(&settings.limits),
        files,
        cache: None,
        fill: fill(&copy, workspace.path().to_owned(), push(&copy)?),
        control: Some(control),
        has_slot: true,
        superseded_by: None,
        confiner: Arc::new(Confiner::new(
            StepRules::local(&settings),
            (workspace.path().to_owned(), copy.git_dir.clone()),
            path,
        )),
        orphans: Orphans::OfSteps,
        policy: policy_of_run(&settings.policy, data.map_or(&copy.root, DataDir::path), profiles, &[]).0,
        engine_environment: engine_environment(),
    };
    let reporter = Reporter::start(run_dir.clone(), output);
    let ended = execute(execution).map_err(|error| Failure::broken(&error))?;
    if let Err(error) = workspace.remove() {
        eprintln!("warning: the workspace could not be removed: {error}");
    }
    let end = Fact::RunEnded { outcome: ended.0.as_str().to_owned(), reason: ended.1.clone() };
    recorder.write(end).map_err(|error| Failure::broken(&error))?;
    finish(&run_dir, reporter, ended, output)
}

/// Prints the verdict.
fn finish(run_dir: &Path, reporter: Reporter, ended: crate::run::Ended, output: Output) -> Ended {
    let interrupted = reporter.join();
    let record = RunRecord::read(run_dir);
    let diagnostics: Vec<_> = record.diagnostics.iter().map(|fact| fact.to_diagnostic()).collect();
    if output.json {
        print_json(&json!({
            "outcome": ended.0.as_str(),
            "reason": ended.1,
            "diagnostics": record.diagnostics,
            "jobs": crate::view::jobs_json(&record),
        }));
    } else {
        eprint!("{}", plain(&crate::model::render_all(&diagnostics)));
        let reason = ended.1.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        print(&format!("{}{}\nlogs: {}\n", ended.0, plain(&reason), run_dir.join("log").display()));
    }
    let is_broken = !diagnostics.is_empty() && record.jobs.is_empty();
    Ok(if interrupted {
        Code::Interrupted
    } else if is_broken {
        Code::Usage
    } else {
        verdict(Some(ended.0))
    })
}

/// Asks git what the working copy is.
fn look_at(root: PathBuf) -> Result<Copy, Failure> {
    let ask = |args: &[&str]| {
        let answer = GitCommand::new().arg("-C").arg(&root).args(args).run();
        answer.map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    let git_dir = ask(&["rev-parse", "--absolute-git-dir"]).map_err(|error| {
        Failure::new(Code::Usage, format!("{} is not a git working copy: {}", root.display(), chain(&error)))
            .hint("git init, or name another folder")
    })?;
    let head =
        ask(&["rev-parse", "--verify", "--quiet", "HEAD"]).ok().and_then(|id| CommitId::parse(&id).ok());
    let branch = ask(&["symbolic-ref", "--quiet", "HEAD"]).ok();
    let branch = branch.and_then(|name| RefName::parse(name.as_bytes()).ok());
    let detached = || RefName::parse(b"refs/heads/detached").map_err(|error| Failure::broken(&error));
    let branch = match branch {
        Some(branch) => branch,
        None => detached()?,
    };
    Ok(Copy { root, git_dir: PathBuf::from(git_dir), head, branch })
}

/// A new folder for the run, below `.git/quire`; the oldest ones go.
fn new_run_dir(git_dir: &Path) -> Result<PathBuf, Failure> {
    let folder = git_dir.join("quire");
    let broken = |error: io::Error| Failure::new(Code::Broken, format!("{}: {error}", folder.display()));
    fs::create_dir_all(&folder).map_err(broken)?;
    let mut numbers: Vec<u64> = fs::read_dir(&folder)
        .map_err(broken)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("run-")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let next = numbers.last().copied().unwrap_or_default() + 1;
    for old in numbers.iter().filter(|number| **number + KEPT_RUNS <= next) {
        let _stays = fs::remove_dir_all(folder.join(format!("run-{old}"))).is_err();
    }
    let run_dir = folder.join(format!("run-{next}"));
    fs::DirBuilder::new().mode(0o700).create(&run_dir).map_err(broken)?;
    Ok(run_dir)
}

/// The secrets that the operator's `config.fnl` grants to every repository.
fn grants(settings: &Settings, branch: &RefName) -> Vec<SecretGrant> {
    let asker = Asker { repo: None, ref_name: branch, event: "push" };
    settings.secrets.iter().map(|secret| SecretGrant::new(secret, asker)).collect()
}

fn step_environment(settings: &Settings) -> Environment {
    let from = environment().into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let pass: Vec<OsString> = settings.pass_env.iter().map(Into::into).collect();
    Environment::clean(&from, &pass)
}

/// What container engines read of the environment.
fn engine_environment() -> BTreeMap<OsString, OsString> {
    let of_engine = |(name, _): &(String, String)| ENGINE_VARIABLES.contains(&name.as_str());
    let pairs = environment().into_iter().filter(of_engine);
    pairs.map(|(name, value)| (name.into(), value.into())).collect()
}

/// What `:quire/push` gives: as if the branch were pushed for the first time.
fn push(copy: &Copy) -> Result<serde_json::Value, Failure> {
    let name = copy.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let git_dir = copy.git_dir.to_string_lossy().into_owned();
    let now = clock::now().to_string();
    let Some(head) = copy.head else {
        return Ok(json!({
            "sha": CommitId::ZERO.to_string(), "ref": copy.branch.to_string(), "branch": copy.branch.short(),
            "repo": name, "git-dir": git_dir, "pushed-at": now, "commit-message": "", "files-changed": [],
            "forced": false, "created": true, "deleted": false,
        }));
    };
    let event = PushEvent {
        ref_name: &copy.branch,
        old: CommitId::ZERO,
        new: head,
        pusher: None,
        repo: &name,
        git_dir: &git_dir,
        pushed_at: &now,
    };
    let repo = Repo::open(&copy.git_dir).map_err(|error| Failure::broken(&error))?;
    event.outputs(&repo).map_err(|error| Failure::broken(&error))
}

/// Copies what git would commit, as it is now.
fn fill(copy: &Copy, into: PathBuf, push: serde_json::Value) -> Fill {
    let root = copy.root.clone();
    Box::new(move |is_wanted| {
        let failed = |problem: String| format!("could not copy the working copy: {problem}");
        fs::DirBuilder::new().mode(0o700).create(&into).map_err(|error| failed(error.to_string()))?;
        copy_working_copy(&root, &into, is_wanted).map_err(|error| failed(chain(&error)))?;
        Ok(push)
    })
}

/// Prints what happens while it happens, and hears Ctrl-C.
struct Reporter {
    thread: std::thread::JoinHandle<bool>,
}

impl Reporter {
    fn start(run_dir: PathBuf, output: Output) -> Reporter {
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(report(&run_dir, output))).unwrap_or_default()
        });
        Reporter { thread }
    }

    /// Waits until everything is printed; true when it was Ctrl-C that stopped the run.
    fn join(self) -> bool {
        self.thread.join().unwrap_or_default()
    }
}

async fn report(run_dir: &Path, output: Output) -> bool {
    let Ok(inotify) = Inotify::new() else { return false };
    let mut follower = LogFollower::new(run_dir, None);
    let (mut telling, mut interrupted) = (Telling::default(), false);
    loop {
        for folder in
            follower.folders().into_iter().chain([run_dir.to_owned()]).filter(|folder| folder.is_dir())
        {
            let _not_seen_live = inotify.watch(&folder).is_err();
        }
        let record = RunRecord::read(run_dir);
        if !output.json {
            let lines = if output.verbose { follower.read(&record) } else { Ok(Vec::new()) };
            let told = telling.next(lines.unwrap_or_default(), &record.jobs);
            show(run_dir, &record, told, output.verbose);
            if record.outcome.is_some() {
                telling.rest().iter().for_each(print_line);
            }
        }
        if record.outcome.is_some() {
            return interrupted;
        }
        tokio::select! {
            changed = inotify.changes() => {
                if changed.is_err() {
                    return interrupted;
                }
            }
            pressed = tokio::signal::ctrl_c() => {
                interrupted = pressed.is_ok();
                let run_dir = run_dir.to_owned();
                let stop = Message::Stop { reason: StopReason::Cancelled { by: Some("Ctrl-C".to_owned()) } };
                tokio::task::spawn_blocking(move || tell(&run_dir, &stop).is_ok());
            }
        }
    }
}

/// Tells of output and of jobs that have ended.
fn show(run_dir: &Path, record: &RunRecord, told: Vec<Told<'_>>, verbose: bool) {
    let width = record.jobs.iter().map(|job| job.id.len()).max().unwrap_or_default();
    for told in told {
        let job = match told {
            Told::Line(line) => {
                print_line(&line);
                continue;
            }
            Told::End(job) => job,
        };
        print(&job_line(job, width));
        if matches!(job.outcome, Some(Outcome::Failed | Outcome::TimedOut)) && !verbose {
            let lines = LogFollower::new(run_dir, Some(job.id.clone())).finish().unwrap_or_default();
            for line in lines.iter().skip(lines.len().saturating_sub(FAILED_LINES)) {
                print(&format!("    {}\n", plain(&String::from_utf8_lossy(&line.bytes))));
            }
        }
    }
}

fn print_line(line: &LogLine) {
    let job = line.job.as_deref().unwrap_or("quire");
    print(&format!("{job} │ {}\n", plain(&String::from_utf8_lossy(&line.bytes))));
}
