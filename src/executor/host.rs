//! Running one step on this machine, from its start until nothing is left of it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::confinement::Confinement;
use super::inside::{Report, Said};
use super::members::{Footprint, Frame, Running};
use super::output::Output;
use super::program::{self, Missing};
use super::step::{OutOfMemory, Program, StepEnd, StepError, StepSpec};
use super::stop::{self, Patience, Swept};
use super::sweep;
use crate::log::{Sink, Stream};
use crate::model::RunMark;
use crate::sys::cgroup::Cgroup;
use crate::sys::process::{self, Exit, Signal};
use crate::sys::spawn::{Child, Launch, spawn};

/// How long what a step left behind may continue by itself, before it is asked to end: `>(tee log)` ends so.
pub const LEFTOVER_SETTLE: Duration = Duration::from_millis(50);

/// How long what a step left behind may take to end when it was asked to.
pub const LEFTOVER_GRACE: Duration = Duration::from_millis(500);

/// How long an output may stay open when nothing is left of the step.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// Whether steps get cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Containment {
    /// Each step gets one, where the system has cgroup v2 and the user may make folders there.
    Cgroup,
    /// None gets one.
    Descent,
}

/// Whose the orphans are that this process adopts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// Those of steps: every child not started through [`crate::sys::children::start`] was left behind by one.
    OfSteps,
    /// Not known: only those that a session or a mark ties to a step are.
    Unknown,
}

/// Where the steps of one run run. With [`Orphans::OfSteps`] a process has one at a time, and dropping it kills
/// every adopted process; that blocks, at most for [`SWEEP_LIMIT`](super::SWEEP_LIMIT).
#[derive(Debug)]
pub struct Host {
    mark: RunMark,
    orphans: Orphans,
    cgroup: Option<Cgroup>,
    running: Arc<AtomicUsize>,
    started: AtomicUsize,
}

/// Why a step has to end.
#[derive(Debug)]
enum Cause {
    Ended,
    TimedOut,
    Stopped,
}

/// A step that runs. Dropping it kills everything that belongs to it, without grace.
struct Live {
    child: Child,
    footprint: Arc<Footprint>,
    /// What the first process of its sandbox says.
    report: Option<Report>,
    is_over: bool,
}

impl Host {
    /// Prepares for the steps of a run. The calling process becomes a subreaper.
    ///
    /// # Errors
    /// The kernel has no subreapers.
    pub fn new(mark: RunMark, containment: Containment, orphans: Orphans) -> Result<Self, StepError> {
        process::become_subreaper().map_err(|source| StepError::Subreaper { source })?;
        let cgroup = match containment {
            Containment::Cgroup => {
                sweep::cgroup_of(&mark).filter(|group| group.create().is_ok() && group.can_kill())
            }
            Containment::Descent => None,
        };
        Ok(Self { mark, orphans, cgroup, running: Arc::default(), started: AtomicUsize::new(0) })
    }

    /// Whether steps get cgroups; where not, `quire doctor` says what that means.
    pub fn has_cgroup(&self) -> bool {
        self.cgroup.is_some()
    }

    /// Runs a step until nothing is left of it. `stop` asks it to end by becoming true.
    ///
    /// When this is cancelled, the step is killed without grace, which blocks for as long as that takes, and its
    /// log has what was read until then.
    ///
    /// # Errors
    /// quire could not do its part; a program that is missing or fails is not an error.
    pub async fn run_step<S: Sink + ?Sized>(
        &self,
        spec: &StepSpec,
        log: &mut S,
        stop: watch::Receiver<bool>,
    ) -> Result<StepEnd, StepError> {
        tokio::select! {
            biased;
            end = self.lead(spec, log, stop) => end,
            error = self.reap_orphans() => Err(watch_error(error)),
        }
    }

    /// Reaps what steps leave to this process while they run: a fork storm fills the machine with zombies else.
    async fn reap_orphans(&self) -> io::Error {
        if self.orphans == Orphans::Unknown {
            return std::future::pending().await;
        }
        let mut deaths = match signal(SignalKind::child()) {
            Ok(deaths) => deaths,
            Err(error) => return error,
        };
        while deaths.recv().await.is_some() {
            process::reap_all();
        }
        std::future::pending().await
    }

    async fn lead<S: Sink + ?Sized>(
        &self,
        spec: &StepSpec,
        log: &mut S,
        stop: watch::Receiver<bool>,
    ) -> Result<StepEnd, StepError> {
        let started = Instant::now();
        let mut live = match self.start(spec)? {
            Ok(live) => live,
            Err(missing) => return refuse(missing, log, started),
        };
        let stdin = live.child.stdin.take();
        let pipes = live.child.outputs.take().ok_or_else(|| watch_error(io::ErrorKind::BrokenPipe.into()))?;
        let mut output = Output::new(log, pipes, spec.capture_limit).map_err(watch_error)?;
        let input = spec.input.as_deref().unwrap_or_default();
        let ending = async {
            tokio::select! {
                cause = live.cause(spec.timeout, stop) => cause,
                never = async { feed(stdin, input).await; std::future::pending().await } => never,
            }
        };
        let log_error = |source| StepError::Log { source };
        let cause = output.pass_on_while(ending).await.map_err(log_error)?.map_err(watch_error)?;
        let cleared =
            output.pass_on_while(live.clear(&cause, (spec.settle, spec.grace))).await.map_err(log_error)?;
        output.drain(DRAIN_LIMIT).await.map_err(log_error)?;
        let (exit, said) = live.finish();
        let (stdout, stderr, truncated) = output.captured();
        let exit = match said {
            None => exit,
            Some(Said::Ended { exit, .. }) => exit,
            Some(Said::Refused { errno }) => return refused_inside(spec, errno, log, started),
            // It was killed with its sandbox.
            Some(Said::Made) => Exit::Signal(Signal::KILL.as_raw()),
            Some(Said::Nothing) if matches!(cause, Cause::Ended) => {
                return Err(no_sandbox(&stderr.read().unwrap_or_default(), exit));
            }
            Some(Said::Nothing) => exit,
        };
        Ok(StepEnd {
            exit: exit.code(),
            signal: exit.signal(),
            timed_out: matches!(cause, Cause::TimedOut),
            stopped: matches!(cause, Cause::Stopped),
            stdout,
            stderr,
            truncated,
            duration: started.elapsed(),
            leftovers: if matches!(cause, Cause::Ended) { cleared.ended } else { Vec::new() },
            survivors: cleared.survivors,
            out_of_memory: OutOfMemory::No,
            missing: None,
        })
    }

    fn start(&self, spec: &StepSpec) -> Result<Result<Live, Missing>, StepError> {
        let folder = |source| StepError::Folder { path: spec.cwd.clone(), source };
        if !std::fs::metadata(&spec.cwd).map_err(folder)?.is_dir() {
            return Err(folder(io::ErrorKind::NotADirectory.into()));
        }
        let found = match program::find(&spec.program, spec.env.get("PATH"), &spec.cwd) {
            Ok(found) => found,
            Err(missing) => return Ok(Err(missing)),
        };
        let name = found.args.first().cloned().unwrap_or_default();
        let Confinement { transition, sandbox } = spec.confinement.as_deref().cloned().unwrap_or_default();
        let (mut report, mut kept) = (None, None);
        let found = match &sandbox {
            None => found,
            Some(sandbox) => {
                let (theirs, ours) = io::pipe().map_err(watch_error)?;
                report = Some(Report::new(theirs.into()).map_err(watch_error)?);
                let number = kept.insert(OwnedFd::from(ours)).as_raw_fd();
                sandbox.wrap(found, &spec.cwd, spec.env.get("HOME"), number)
            }
        };
        let RunMark { instance, run } = self.mark;
        let (instance, run) = (instance.to_string(), run.to_string());
        let marks = [(sweep::INSTANCE, instance.as_str()), (sweep::RUN, &run), ("QUIRE_STEP", &spec.name)];
        let running = Running::enter(&self.running);
        let cgroup = self.step_cgroup();
        let launched = spawn(Launch {
            program: found.file,
            args: found.args,
            env: spec
                .env
                .iter()
                .chain(marks.map(|(name, value)| (OsStr::new(name), OsStr::new(value))))
                .collect(),
            cwd: &spec.cwd,
            has_input: spec.input.is_some(),
            cgroup: cgroup.as_ref().and_then(|cgroup| cgroup.door().ok()),
            transition: transition.as_ref(),
            kept,
        });
        let child = match launched {
            Ok(child) => child,
            Err(source) => {
                // An empty folder that stays is removed with the run's.
                let _empty = cgroup.map(|cgroup| cgroup.remove());
                let refused = program::refused(&name, &source).map(Err);
                return refused
                    .ok_or(StepError::Spawn { program: name.to_string_lossy().into_owned(), source });
            }
        };
        let [instance, run] = sweep::entries_of(&self.mark);
        let marks = [instance, run, format!("QUIRE_STEP={}", spec.name).into_bytes()];
        let orphans = self.orphans;
        let frame = match sandbox {
            Some(_) => Frame::Sandbox,
            None if spec.is_client => Frame::Client,
            None => Frame::None,
        };
        let footprint = Arc::new(Footprint { main: child.pid(), marks, cgroup, orphans, running, frame });
        Ok(Ok(Live { child, footprint, report, is_over: false }))
    }

    /// Makes a cgroup for the next step; without one it is found by descent and mark.
    fn step_cgroup(&self) -> Option<Cgroup> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let cgroup = self.cgroup.as_ref()?.child(&format!("step-{number}"));
        cgroup.create().ok().map(|()| cgroup)
    }
}

impl Host {
    /// Ends what steps have left behind, and removes the cgroups. Nothing is run after that. Blocking.
    pub(crate) fn clear(&self) {
        if self.orphans == Orphans::OfSteps {
            // Two steps that ended together took each other for the owner of what nothing ties to a step.
            sweep::sweep_children(&[]);
        }
        if let Some(cgroup) = &self.cgroup {
            // Only survivors keep it, and a step's end names them.
            let _busy = cgroup.remove();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Live {
    /// Waits for the first reason for the step to end.
    async fn cause(
        &mut self,
        timeout: Option<Duration>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<Cause> {
        let time_is_over = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let Self { child, report, .. } = self;
        let dead = async {
            match report {
                Some(report) => report.ended(&child.process).await,
                None => child.process.dead().await,
            }
        };
        tokio::select! {
            biased;
            dead = dead => dead.map(|()| Cause::Ended),
            () = asked_to_stop(&mut stop) => Ok(Cause::Stopped),
            () = time_is_over => Ok(Cause::TimedOut),
        }
    }

    /// Ends everything that belongs to the step.
    async fn clear(&self, cause: &Cause, (settle, grace): (Duration, Duration)) -> Swept {
        let patience = match cause {
            // What was killed can no longer have asked others to clean up.
            Cause::Ended if self.child.process.was_killed() => {
                Patience { settle: settle.min(LEFTOVER_SETTLE), grace: LEFTOVER_GRACE }
            }
            Cause::Ended => Patience { settle, grace: LEFTOVER_GRACE },
            Cause::TimedOut | Cause::Stopped => Patience { settle: Duration::ZERO, grace },
        };
        if matches!(cause, Cause::Ended) && stop::is_clear(&self.footprint, self.child.process.is_dead()) {
            return Swept::default();
        }
        let footprint = Arc::clone(&self.footprint);
        // A panic there is one here: what is left is then killed by dropping.
        tokio::task::spawn_blocking(move || stop::stop(&footprint, patience)).await.unwrap_or_default()
    }

    /// Reaps the main process; only one that hangs in the kernel has no exit yet.
    fn finish(mut self) -> (Exit, Option<Said>) {
        let exit = self.child.reap();
        let said = self.report.as_mut().map(Report::last);
        self.is_over = true;
        if let Some(cgroup) = &self.footprint.cgroup {
            // A survivor keeps it, and the step's end names that.
            let _busy = cgroup.remove();
        }
        (exit.unwrap_or(Exit::Signal(Signal::KILL.as_raw())), said)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if !self.is_over {
            stop::kill(&self.footprint);
            self.child.reap();
        }
    }
}

/// Writes the input, and closes it. A step need not read it.
/// Waits until a step is asked to stop; for ever when nobody is left who could ask.
pub async fn asked_to_stop(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn feed(stdin: Option<OwnedFd>, input: &[u8]) {
    let Some(Ok(mut stdin)) = stdin.map(pipe::Sender::from_owned_fd) else { return };
    // Whoever closes the reading end has read enough.
    let _read_enough = stdin.write_all(input).await;
}

/// Ends a step whose program could not be started, with a line in its log.
fn refuse<S: Sink + ?Sized>(missing: Missing, log: &mut S, started: Instant) -> Result<StepEnd, StepError> {
    let line = format!("{}\n", missing.message);
    log.write(Stream::Stderr, line.as_bytes()).map_err(|source| StepError::Log { source })?;
    Ok(StepEnd {
        exit: missing.exit,
        stderr: line.into_bytes().into(),
        duration: started.elapsed(),
        missing: Some(missing.message),
        ..StepEnd::default()
    })
}

/// The end of a step whose program could not be started inside its sandbox.
fn refused_inside<S: Sink + ?Sized>(
    spec: &StepSpec,
    errno: i32,
    log: &mut S,
    started: Instant,
) -> Result<StepEnd, StepError> {
    let name = match &spec.program {
        Program::Shell(_) => OsString::from("sh"),
        Program::Argv(args) => args.first().cloned().map(OsString::from_vec).unwrap_or_default(),
    };
    let source = io::Error::from_raw_os_error(errno);
    match program::refused(&name, &source) {
        Some(missing) => refuse(missing, log, started),
        None => Err(StepError::Spawn { program: name.to_string_lossy().into_owned(), source }),
    }
}

/// The error that there was no sandbox: what bubblewrap said is all that was said.
fn no_sandbox(stderr: &[u8], exit: Exit) -> StepError {
    let said = String::from_utf8_lossy(stderr);
    let line = said.lines().find(|line| !line.trim().is_empty());
    let problem = line.map_or_else(|| format!("bwrap ended with exit {}", exit.code()), str::to_owned);
    StepError::Sandbox { problem }
}

fn watch_error(source: io::Error) -> StepError {
    StepError::Watch { source }
}
