//! Steps, with real processes.

mod clean_up;
mod cost;
mod sandbox;
mod step;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use quire::executor::{
    Containment, Environment, Host, LEFTOVER_SETTLE, Orphans, Program, StepEnd, StepError, StepSpec,
};
use quire::log::{LogLimit, LogText, LogWriter, PassThrough, read_text};
use quire::model::{InstanceId, RunId, RunMark};
use quire::sys::folder::Folder;
use quire::sys::process::{self, Pid};
use tokio::sync::watch;

const CAPTURE: usize = 16 << 20;
const BOTH: [Containment; 2] = [Containment::Cgroup, Containment::Descent];

/// A run with a folder, and a host for its steps.
struct Bench {
    folder: tempfile::TempDir,
    mark: RunMark,
    host: Host,
}

impl Bench {
    fn new(containment: Containment, orphans: Orphans) -> Self {
        let mark = fresh_mark();
        let host = Host::new(mark, containment, orphans).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), mark, host }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn spec(&self, program: Program) -> StepSpec {
        let mut env = Environment::default();
        env.set("PATH", "/usr/local/bin:/usr/bin:/bin").unwrap();
        StepSpec {
            program,
            name: "build/1".to_owned(),
            env,
            cwd: self.folder.path().to_owned(),
            input: None,
            timeout: Some(Duration::from_secs(60)),
            grace: Duration::from_millis(300),
            settle: LEFTOVER_SETTLE,
            capture_limit: CAPTURE,
            confinement: None,
            is_client: false,
        }
    }

    fn sh(&self, text: &str) -> StepSpec {
        self.spec(Program::Shell(text.into()))
    }

    fn fifo(&self, name: &str) -> PathBuf {
        assert!(Command::new("mkfifo").arg(self.path(name)).status().unwrap().success());
        self.path(name)
    }

    /// Runs a step that nobody stops.
    async fn run(&self, spec: &StepSpec) -> (StepEnd, LogText) {
        let (_stop, never) = watch::channel(false);
        let (end, text) = self.run_until(spec, never, 64 << 20).await;
        (end.unwrap(), text)
    }

    async fn run_until(
        &self,
        spec: &StepSpec,
        stop: watch::Receiver<bool>,
        limit: u64,
    ) -> (Result<StepEnd, StepError>, LogText) {
        let logs = tempfile::tempdir().unwrap();
        let path = logs.path().join("build/1.log");
        let folder = Folder::open(logs.path()).unwrap();
        let log = LogWriter::create(&folder, Path::new("build/1.log"), LogLimit::new(limit), || PassThrough);
        let mut log = log.unwrap();
        let end = self.host.run_step(spec, &mut log, stop).await;
        log.finish().unwrap();
        (end, read_text(&path).unwrap())
    }

    /// Nothing is left of the run: no process, no zombie, no cgroup.
    fn assert_clean(&self) {
        assert_no_process(self.mark);
        if let Some(own) = quire::sys::cgroup::Cgroup::own() {
            assert_eq!(own.child(&format!("quire-{}", self.mark.run)).members(), []);
        }
    }
}

fn argv(args: &[&str]) -> Program {
    Program::Argv(args.iter().map(|arg| arg.as_bytes().to_vec()).collect())
}

/// The processes of a run.
pub(crate) fn processes_of(mark: RunMark) -> Vec<process::Process> {
    let mark = format!("QUIRE_RUN={}", mark.run);
    let left = process::all().into_iter().filter(|pid| process::environment_has(*pid, &[mark.as_bytes()]));
    left.filter_map(process::look).collect()
}

/// No process of the run is left.
pub(crate) fn assert_no_process(mark: RunMark) {
    let left = processes_of(mark);
    assert!(left.is_empty(), "{left:?}");
}

pub(crate) fn fresh_mark() -> RunMark {
    static COUNT: AtomicU8 = AtomicU8::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut random = [count; 10];
    random[..4].copy_from_slice(&std::process::id().to_le_bytes());
    random[4..8].copy_from_slice(&now.subsec_nanos().to_le_bytes());
    RunMark { instance: InstanceId::new(7), run: RunId::new(now.as_millis() as u64, random) }
}

fn pid_in(path: &std::path::Path) -> Pid {
    let text = std::fs::read_to_string(path).unwrap();
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

/// Runs a test body in a process of its own, where every child is known. `name` is the test's own name.
fn in_own_process(name: &str, body: impl FnOnce()) {
    if std::env::var_os("QUIRE_TEST_ALONE").as_deref() == Some(OsStr::new(name)) {
        return body();
    }
    let own = std::env::current_exe().unwrap();
    let status = Command::new(own)
        .args([name, "--exact", "--nocapture"])
        .env("QUIRE_TEST_ALONE", name)
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed in its own process");
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}
