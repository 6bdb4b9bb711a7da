//! One suite for everything that runs steps: what `Executor` promises, on the host, in a sandbox and in a container.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quire::container::{ContainerExecutor, Containers, ImageSource, Network, Role};
use quire::executor::{
    BwrapExecutor, Containment, Environment, Executor, Host, HostExecutor, NotRun, Orphans, Program, Sandbox,
    StepContext, StepEnd, Workspace, find_bwrap,
};
use quire::journal::Recorder;
use quire::log::{LogError, Sink, Stream};
use quire::model::{Profile, RunMark};
use quire::policy::{ContainerRequest, ImageRef, Policy, ProfileSource};
use quire::script::Pull;
use quire::secret::Redactor;
use quire::sys::kept_output::KeptOutput;
use tokio::sync::watch;

use super::engine;
use super::executor::{assert_no_process, fresh_mark};

/// How long a step may take to end when it was asked to.
const GRACE: Duration = Duration::from_millis(500);

/// An executor with a workspace of its own.
struct Bench {
    folder: tempfile::TempDir,
    mark: RunMark,
    executor: Box<dyn Executor>,
    /// Those of a run, where steps are in some.
    containers: Option<Arc<Containers>>,
}

/// What a step has written, and a sign when there is more.
#[derive(Clone)]
struct Shown {
    bytes: Arc<Mutex<[Vec<u8>; 2]>>,
    grown: watch::Sender<()>,
}

impl Shown {
    fn new() -> Self {
        Self { bytes: Arc::default(), grown: watch::Sender::new(()) }
    }

    fn text(&self, stream: usize) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()[stream]).into_owned()
    }

    /// Waits until the step has written this.
    async fn has(&self, word: &str) {
        let mut grown = self.grown.subscribe();
        while !self.text(0).contains(word) {
            grown.changed().await.unwrap();
        }
    }
}

impl Sink for Shown {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), LogError> {
        let stream = usize::from(stream == Stream::Stderr);
        self.bytes.lock().unwrap()[stream].extend_from_slice(bytes);
        self.grown.send_replace(());
        Ok(())
    }

    fn cut_value(&self, _: &KeptOutput) -> usize {
        0
    }

    fn quiet(&mut self) -> Result<(), LogError> {
        Ok(())
    }
}

impl Bench {
    fn with(
        make: impl FnOnce(HostExecutor, RunMark) -> (Box<dyn Executor>, Option<Arc<Containers>>),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("work");
        fs::create_dir_all(workspace.join("below")).unwrap();
        let mark = fresh_mark();
        let host = Arc::new(Host::new(mark, Containment::Cgroup, Orphans::Unknown).unwrap());
        let mut environment = Environment::default();
        environment.set("PATH", "/usr/local/bin:/usr/bin:/bin").unwrap();
        let (executor, containers) =
            make(HostExecutor { host, environment, workspace, transition: None }, mark);
        Self { folder, mark, executor, containers }
    }

    fn host() -> Option<Self> {
        Some(Self::with(|host, _| (Box::new(host), None)))
    }

    fn bwrap() -> Option<Self> {
        Some(Self::with(|host, _| {
            let sandbox = Sandbox {
                bwrap: find_bwrap(None).expect("bubblewrap is installed by dev/setup"),
                helper: env!("CARGO_BIN_EXE_quire").into(),
                workspace: host.workspace.clone(),
                ..Sandbox::default()
            };
            (Box::new(BwrapExecutor { host, sandbox }), None)
        }))
    }

    /// Nothing where no container can be run, which has been said then.
    fn container() -> Option<Self> {
        engine::can_run_containers().then(|| {
            Self::with(|host, mark| {
                let run = host.workspace.parent().unwrap();
                let policy =
                    Policy::load(&Default::default(), run, (Profile::Secure, ProfileSource::Default));
                let environment = std::env::vars_os().collect();
                let recorder = Recorder::open(run, Redactor::new(Vec::new()), 1 << 20).unwrap();
                let containers = Containers::new(mark, policy, environment, recorder, ImageSource::default());
                let containers = Arc::new(containers);
                let request = ContainerRequest::new("job", ImageRef::parse(engine::IMAGE).unwrap());
                let executor = ContainerExecutor {
                    containers: Arc::clone(&containers),
                    host: Arc::clone(&host.host),
                    network: Network::Named(request.network.clone()),
                    request,
                    pull: Pull::Missing,
                    role: Role::Step(Workspace::new(host.workspace)),
                    secrets: Vec::new(),
                    hosts: Vec::new(),
                };
                (Box::new(executor), Some(containers))
            })
        })
    }

    fn step(&self, number: u32, program: Program) -> StepContext {
        StepContext {
            job: "suite".to_owned(),
            number,
            program,
            env: vec![("GIVEN".to_owned(), b"a=b c".to_vec())],
            cwd: None,
            input: None,
            timeout: Some(Duration::from_secs(60)),
            grace: GRACE,
            capture_limit: 1 << 20,
        }
    }

    fn sh(&self, number: u32, text: &str) -> StepContext {
        self.step(number, Program::Shell(text.into()))
    }

    /// Runs a step that nobody stops.
    async fn run(&self, step: StepContext) -> (Result<StepEnd, NotRun>, Shown) {
        let shown = Shown::new();
        let mut log = shown.clone();
        let mut running = self.executor.start(step, &mut log);
        (self.executor.outcome(&mut running).await, shown)
    }

    /// Nothing is left of the steps.
    fn assert_clean(&self) {
        assert_no_process(self.mark);
        if self.containers.is_some() {
            assert_eq!(super::containers::containers(&self.mark.run.to_string()), [""; 0]);
        }
    }
}

async fn an_end_is_the_programs_own(bench: Bench) {
    for (number, (text, exit, signal)) in
        (1..).zip([("exit 0", 0, None), ("exit 3", 3, None), ("ulimit -c 0; kill -SEGV $$", 139, Some(11))])
    {
        let end = bench.run(bench.sh(number, text)).await.0.unwrap();
        assert_eq!(
            (end.exit, end.signal, end.stopped, end.timed_out),
            (exit, signal, false, false),
            "{text}"
        );
    }
    let missing = Program::Argv(vec![b"no-such-program".to_vec()]);
    assert_eq!(bench.run(bench.step(9, missing)).await.0.unwrap().exit, 127);
    bench.assert_clean();
}

async fn what_goes_in_and_out_is_kept(bench: Bench) {
    let text = r#"echo "$GIVEN"; pwd -P; echo "$QUIRE_STEP"; cat; echo problem >&2"#;
    let step =
        StepContext { cwd: Some("below".to_owned()), input: Some(b"input".to_vec()), ..bench.sh(1, text) };
    let (end, shown) = bench.run(step).await;
    let end = end.unwrap();
    let lines: Vec<_> = shown.text(0).lines().map(str::to_owned).collect();
    assert_eq!((lines[0].as_str(), lines[2].as_str(), lines[3].as_str()), ("a=b c", "suite/1", "input"));
    assert!(lines[1].ends_with("/work/below"), "{lines:?}");
    assert_eq!(shown.text(1), "problem\n");
    let kept = [end.stdout, end.stderr].map(|kept| kept.read().unwrap().into_owned());
    assert_eq!(kept, [shown.text(0).into_bytes(), shown.text(1).into_bytes()]);
    bench.run(bench.sh(2, "echo made > file")).await.0.unwrap();
    assert_eq!(fs::read(bench.folder.path().join("work/file")).unwrap(), b"made\n");
}

async fn a_folder_that_is_not_there_is_the_steps_mistake(bench: Bench) {
    let (end, _) = bench.run(StepContext { cwd: Some("gone".to_owned()), ..bench.sh(1, "true") }).await;
    assert!(matches!(end, Err(NotRun::Step(reason)) if reason.contains("gone")));
    bench.assert_clean();
}

async fn a_step_that_is_stopped_gets_term(bench: Bench) {
    let text = "trap 'echo told; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let shown = Shown::new();
    let mut log = shown.clone();
    let step = StepContext { grace: Duration::from_secs(20), ..bench.sh(1, text) };
    let mut running = bench.executor.start(step, &mut log);
    tokio::select! {
        _ = bench.executor.outcome(&mut running) => panic!("nobody has stopped it"),
        () = shown.has("ready") => {}
    }
    bench.executor.stop(&running);
    bench.executor.stop(&running);
    let end = bench.executor.outcome(&mut running).await.unwrap();
    assert_eq!(end.exit, 7);
    assert_eq!((end.stopped, end.timed_out), (true, false));
    assert!(shown.text(0).ends_with("told\n"), "{}", shown.text(0));
    bench.assert_clean();
}

async fn what_does_not_end_is_killed_after_the_grace(bench: Bench) {
    let text = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
    let shown = Shown::new();
    let mut log = shown.clone();
    let mut running = bench.executor.start(bench.sh(1, text), &mut log);
    tokio::select! {
        _ = bench.executor.outcome(&mut running) => panic!("nobody has stopped it"),
        () = shown.has("ready") => {}
    }
    bench.executor.stop(&running);
    let (asked, end) = (Instant::now(), bench.executor.outcome(&mut running).await.unwrap());
    assert!(asked.elapsed() >= GRACE, "{:?}", asked.elapsed());
    assert!(end.stopped && end.exit != 0 && end.survivors.is_empty());
    bench.assert_clean();
}

async fn a_step_over_its_time_takes_the_same_way(bench: Bench) {
    let timeout = Some(Duration::from_millis(1500));
    let text = "trap 'echo told; exit 7' TERM; while :; do sleep 0.01; done";
    let step = StepContext { timeout, grace: Duration::from_secs(20), ..bench.sh(1, text) };
    let (end, shown) = bench.run(step).await;
    let end = end.unwrap();
    assert_eq!(end.exit, 7);
    assert_eq!((end.stopped, end.timed_out, &*shown.text(0)), (false, true, "told\n"));
    bench.assert_clean();
}

async fn one_that_is_stopped_before_it_is_waited_for_ends(bench: Bench) {
    let mut log = Shown::new();
    let mut running = bench.executor.start(bench.sh(1, "sleep 600"), &mut log);
    bench.executor.stop(&running);
    match bench.executor.outcome(&mut running).await {
        Ok(end) => assert!(end.stopped, "exit {}", end.exit),
        // What it needed was not there yet.
        Err(problem) => assert!(problem.to_string().contains("stopped"), "{problem}"),
    }
    bench.assert_clean();
}

async fn what_a_program_leaves_behind_ends_with_it(bench: Bench) {
    let text = "(trap '' TERM HUP; exec sleep 600) & setsid sleep 600 >/dev/null 2>&1 & echo done";
    let (end, shown) = bench.run(bench.sh(1, text)).await;
    assert_eq!((end.unwrap().exit, &*shown.text(0)), (0, "done\n"));
    bench.assert_clean();
}

async fn a_step_that_is_dropped_is_killed(bench: Bench) {
    let shown = Shown::new();
    let mut log = shown.clone();
    let mut running = bench.executor.start(bench.sh(1, "trap '' TERM; echo ready; sleep 600"), &mut log);
    tokio::select! {
        _ = bench.executor.outcome(&mut running) => panic!("nobody has stopped it"),
        () = shown.has("ready") => {}
    }
    drop(running);
    if let Some(containers) = bench.containers.clone() {
        // The engine's client is gone; the container is what the end of the run removes.
        tokio::task::spawn_blocking(move || containers.sweep()).await.unwrap();
    }
    bench.assert_clean();
}

/// The suite for each executor.
macro_rules! suite {
    ($($executor:ident)* => $claims:tt) => { $(suite!(@ $executor $claims);)* };
    (@ $executor:ident { $($claim:ident)* }) => { mod $executor {
        $(#[test]
        fn $claim() {
            // The host's processes need a runtime to be watched.
            crate::executor::block_on(async {
                let Some(bench) = super::Bench::$executor() else { return };
                super::$claim(bench).await;
            });
        })*
    } };
}

suite!(host bwrap container => {
    an_end_is_the_programs_own
    what_goes_in_and_out_is_kept
    a_folder_that_is_not_there_is_the_steps_mistake
    a_step_that_is_stopped_gets_term
    what_does_not_end_is_killed_after_the_grace
    a_step_over_its_time_takes_the_same_way
    one_that_is_stopped_before_it_is_waited_for_ends
    what_a_program_leaves_behind_ends_with_it
    a_step_that_is_dropped_is_killed
});
