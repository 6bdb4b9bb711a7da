//! `quire ci run`: the pipeline of a working copy, run on its files as they are now, by the engine that the server uses.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::json;

use super::ci::{find_root, read_files};
use super::ci_report::Reporter;
use super::exit::{Code, Ended, Failure, print, print_error, print_json, verdict};
use super::place::environment;
use crate::config::{self, Asker, DataDir, Settings};
use crate::container::ENGINE_VARIABLES;
use crate::event::{Source, Trigger};
use crate::executor::{Environment, Orphans, sweep_run};
use crate::forge::{WorkingCopy, WorkingCopyError, copy_working_copy};
use crate::journal::{Recorder, RunRecord, StopReason};
use crate::model::{Outcome, Reason, RefName, chain, codes};
use crate::pipeline::PipelineFiles;
use crate::policy::{StartProfiles, policy_of_run};
use crate::run::{
    CONTROL_SOCKET, CacheHints, Confiner, Execution, Fill, Grant, LocalRun, LocalRuns, Message, RunLimits,
    RunnerError, RunnerInbox, StepPlace, StepRules, execute, send_message,
};
use crate::secret::{Redactor, SecretRequest, SecretSources, Secrets as _};
use crate::sys::interrupts::{Interrupt, watch_interrupts};
use crate::sys::{clock, socket};
use crate::view::{DiagnosticShape, LogSizes, jobs_of, plain};

/// How long a run may take to end when its steps were killed, before quire ends without it.
const FORCED_END: Duration = Duration::from_secs(2);

/// What to print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) verbose: bool,
    pub(super) json: bool,
}

/// `quire ci run`.
pub(super) fn run(data: Option<&DataDir>, path: &Path, profiles: StartProfiles, output: Output) -> Ended {
    let root = find_root(path).map_err(|failure| no_working_copy(path).unwrap_or(failure))?;
    let files = read_files(&root)?;
    let copy = WorkingCopy::open(&root).map_err(|error| unusable(&error))?;
    let settings = match data.map(|data| config::load(&data.config())) {
        Some(Ok(settings)) => settings,
        Some(Err(config::ConfigError::Wrong(wrong))) => return Err(Failure::mistakes(&wrong)),
        Some(Err(error)) => return Err(Failure::broken(&error)),
        None => Settings::default(),
    };
    let runs = open_runs(&copy)?;
    for problem in runs.sweep(&engine_environment()) {
        warn(&format!("an earlier run is not cleaned up: {problem}"));
    }
    let (sender, receiver) = mpsc::channel();
    let interrupted = sender.clone();
    watch_interrupts(move |interrupt| {
        let _over = interrupted.send(Heard::Interrupt(interrupt)).is_err();
    })
    .map_err(|error| Failure::broken(&error))?;
    let run = runs.create(&copy.root).map_err(|error| Failure::broken(&error))?;
    let (mut execution, fill) = prepare(&copy, &run, (data, &settings), (files, profiles))?;
    let unheard = sender.clone();
    // Its thread never ends then, and the process ends without it.
    execution.unheard = Arc::new(move |ended| {
        let _over = unheard.send(Heard::Ended(Ok(ended))).is_err();
    });
    let recorder = execution.recorder.clone();
    let reporter = Reporter::start(run.path().to_owned(), output);
    std::thread::spawn(move || {
        let _gone = sender.send(Heard::Ended(execute(execution, fill))).is_err();
    });
    let (ended, interrupt) = follow(&run, &receiver);
    let ended = ended.map_err(|error| Failure::broken(&error))?;
    let run_dir = run.path().to_owned();
    // The workspace first: it is gone when the run has ended.
    drop(run);
    let outcome = ended.0;
    recorder.write_end(ended).map_err(|error| Failure::broken(&error))?;
    reporter.finish();
    Ok(finish(&run_dir, outcome, output, interrupt))
}

/// What happens to a run from outside.
enum Heard {
    Interrupt(Interrupt),
    Ended(Result<crate::run::Ended, RunnerError>),
}

/// Waits for the end of a run. The first signal stops it as a person would; any further one kills its steps.
fn follow(
    run: &LocalRun,
    receiver: &Receiver<Heard>,
) -> (Result<crate::run::Ended, RunnerError>, Option<Interrupt>) {
    let mut interrupt = None;
    let mut forced_at: Option<Instant> = None;
    loop {
        let next = match forced_at {
            None => receiver.recv().ok(),
            Some(at) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())).ok(),
        };
        match next {
            Some(Heard::Ended(ended)) => return (ended, interrupt),
            Some(Heard::Interrupt(first)) if interrupt.is_none() => {
                interrupt = Some(first);
                if !has_begun(run.path()) {
                    // The pipeline is still being read, which may continue for seconds and has nothing to clean up.
                    run.end_by_force(&engine_environment()).iter().for_each(|problem| warn(problem));
                    let (outcome, reason) = StopReason::Cancelled { by: Some(first.name().to_owned()) }.end();
                    return (Ok((outcome, Some(reason))), interrupt);
                }
                let stop = StopReason::Cancelled { by: Some(first.name().to_owned()) };
                let run_dir = run.path().to_owned();
                // A run that does not listen yet hears it later.
                std::thread::spawn(move || send_message(&run_dir, &Message::Stop { reason: stop }).is_ok());
            }
            Some(Heard::Interrupt(_)) => {
                forced_at = forced_at.or(Some(Instant::now() + FORCED_END));
                let mark = run.mark();
                std::thread::spawn(move || sweep_run(&mark));
            }
            None => {
                run.end_by_force(&engine_environment()).iter().for_each(|problem| warn(problem));
                let reason = interrupt.map(|interrupt| {
                    Reason::new(codes::CANCELLED, format!("killed by {}", interrupt.name()))
                });
                return (Ok((Outcome::Cancelled, reason)), interrupt);
            }
        }
    }
}

/// Whether the jobs of a run are known. Nothing of it is started before.
fn has_begun(run_dir: &Path) -> bool {
    RunRecord::try_read(run_dir).map_or(true, |record| !record.jobs.is_empty())
}

/// What an execution of the working copy needs.
fn prepare(
    copy: &WorkingCopy,
    run: &LocalRun,
    (data, settings): (Option<&DataDir>, &Settings),
    (files, profiles): (PipelineFiles, StartProfiles),
) -> Result<(Execution, Fill), Failure> {
    let broken = |error: &dyn std::error::Error| Failure::broken(error);
    let requests = requests(settings, &copy.branch);
    let secrets = SecretSources::new(&settings.secrets, &requests).values(&requests);
    let recorder = Recorder::open(run.path(), Redactor::new(secrets.known()), settings.limits.log_bytes);
    let recorder = recorder.map_err(|error| broken(&error))?;
    let control = socket::listen(&run.path().join(CONTROL_SOCKET)).map_err(|error| broken(&error))?;
    let workspace = run.workspace();
    let path = super::place::variable("PATH").map(Into::into);
    let fill = fill(copy, workspace.path().to_owned(), push(copy));
    let mut environment = step_environment(settings);
    workspace.fence_git(&mut environment).map_err(|error| broken(&error))?;
    let execution = Execution {
        mark: run.mark(),
        recorder,
        secrets,
        environment,
        limits: RunLimits::of(&settings.limits),
        files,
        loaded: None,
        cache: None,
        start: Source::Push.into(),
        earlier: None,
        inbox: Some(Box::new(RunnerInbox { socket: control, server: None })),
        lost: run.lost(),
        grant: Grant { has_slot: true, superseded_by: None },
        interruptible: true,
        confiner: Arc::new(Confiner::new(
            (StepRules::of(settings), StepPlace::local(settings)),
            (workspace.path().to_owned(), copy.git_dir.clone()),
            path,
        )),
        workspace,
        orphans: Orphans::OfSteps,
        unheard: Arc::new(|_| {}),
        policy: policy_of_run(&settings.policy, data.map_or(&copy.root, DataDir::path), profiles, &[]).0,
        engine_environment: engine_environment(),
        mounts: Vec::new(),
    };
    Ok((execution, fill))
}

/// Prints the verdict.
fn finish(run_dir: &Path, outcome: Outcome, output: Output, interrupt: Option<Interrupt>) -> Code {
    let record = RunRecord::try_read(run_dir).unwrap_or_else(|error| {
        print_error(&format!("warning: {}\n", plain(&chain(&error))));
        RunRecord::default()
    });
    let diagnostics = record.diagnostics();
    if output.json {
        print_json(&json!({
            "outcome": outcome.as_str(),
            "reason": record.reason.as_ref().map(ToString::to_string),
            "diagnostics": record.diagnostics.iter().map(DiagnosticShape::of).collect::<Vec<_>>(),
            "jobs": jobs_of(&record, &LogSizes::read(run_dir)),
        }));
    } else {
        print_error(&plain(&crate::model::render_all(&diagnostics)));
        let reason = record.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        print(&format!("{outcome}{}\nlogs: {}\n", plain(&reason), run_dir.join("log").display()));
    }
    let is_broken = !diagnostics.is_empty() && record.jobs.is_empty();
    match interrupt {
        Some(Interrupt::HangUp) => Code::HungUp,
        Some(Interrupt::CtrlC) => Code::Interrupted,
        Some(Interrupt::Quit) => Code::Quit,
        Some(Interrupt::Terminate) => Code::Terminated,
        None if is_broken => Code::Usage,
        None => verdict(Some(outcome)),
    }
}

/// Reports that a folder without a pipeline is not a working copy in the first place.
fn no_working_copy(path: &Path) -> Option<Failure> {
    let folder = path.canonicalize().ok().filter(|path| path.is_dir())?;
    WorkingCopy::open(&folder).err().map(|error| unusable(&error))
}

fn unusable(error: &WorkingCopyError) -> Failure {
    let code = match error {
        WorkingCopyError::Git { .. } => Code::Broken,
        WorkingCopyError::NoRepository(_)
        | WorkingCopyError::NoFiles(_)
        | WorkingCopyError::Owner(_)
        | WorkingCopyError::Unreadable { .. } => Code::Usage,
    };
    Failure::new(code, chain(error)).hint(error.hint())
}

/// The folder of local runs: in no part of the working copy.
fn open_runs(copy: &WorkingCopy) -> Result<LocalRuns, Failure> {
    let variable = |name| super::place::variable(name).map(Into::into);
    let hints = CacheHints {
        cache: variable("XDG_CACHE_HOME"),
        home: variable("HOME"),
        temporary: variable("TMPDIR"),
    };
    let own = [&copy.root, &copy.top, &copy.git_dir, &copy.common_dir];
    let own = own.map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
    LocalRuns::open(&hints, &own).map_err(|error| {
        Failure::broken(&error)
            .hint("set XDG_CACHE_HOME to a folder that is yours and lies outside the working copy")
    })
}

fn warn(problem: &str) {
    print_error(&format!("warning: {}\n", plain(problem)));
}

/// The secrets that the operator's `config.fnl` grants to every repository.
fn requests(settings: &Settings, branch: &RefName) -> Vec<SecretRequest> {
    let asker = Asker { repo: None, ref_name: Some(branch), event: Trigger::Push };
    settings.secrets.iter().map(|secret| SecretRequest::new(secret, asker)).collect()
}

fn step_environment(settings: &Settings) -> Environment {
    let from = environment().into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let pass: Vec<OsString> = settings.pass_env.iter().map(Into::into).collect();
    Environment::clean(&from, &pass).at_home()
}

/// What container engines read of the environment.
fn engine_environment() -> BTreeMap<OsString, OsString> {
    let of_engine = |(name, _): &(String, String)| ENGINE_VARIABLES.contains(&name.as_str());
    let pairs = environment().into_iter().filter(of_engine);
    pairs.map(|(name, value)| (name.into(), value.into())).collect()
}

/// What `:quire/push` gives: as if the branch were pushed for the first time.
fn push(copy: &WorkingCopy) -> serde_json::Value {
    json!({
        "sha": copy.head.id,
        "ref": copy.branch.to_string(),
        "branch": copy.branch.short(),
        "repo": copy.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        "git-dir": copy.git_dir.to_string_lossy(),
        "pushed-at": clock::now().to_string(),
        "commit-message": copy.head.message,
        "files-changed": copy.head.files,
        "files-truncated": copy.head.has_more_files,
        "forced": false,
        "created": true,
        "deleted": false,
    })
}

/// Copies what git would commit, as it is now.
fn fill(copy: &WorkingCopy, into: PathBuf, push: serde_json::Value) -> Fill {
    let root = copy.root.clone();
    let files = move |is_wanted: &AtomicBool| {
        let failed = |problem: String| format!("could not copy the working copy: {problem}");
        fs::DirBuilder::new().mode(0o700).create(&into).map_err(|error| failed(error.to_string()))?;
        copy_working_copy(&root, &into, is_wanted).map_err(|error| failed(chain(&error)))?;
        Ok([(Source::Push, push)].into())
    };
    Fill { files: Box::new(files), then: Box::new(|| Ok(())) }
}
