//! The seam between an order and its place: a runner under another account, with a data folder of its own, an empty
//! environment and the forge's folder closed to it, writes the journal that the forge's runner wrote. And the seam between a
//! run and its journal: a journal that refuses ends the run.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use quire::config::{Asker, DataDir, Settings, load};
use quire::event::{Event, EventKind, EventRecord, RefUpdate, Source};
use quire::executor::{Environment, Orphans, Workspace};
use quire::journal::{Fact, JournalError, JournalSink, JournalWriter, Recorder, StopReason};
use quire::model::{CommitId, InstanceId, Outcome, Profile, RefName, RepoName, RunMark, Timestamp};
use quire::policy::{Policy, PolicySpec, ProfileSource};
use quire::run::{
    Assignment, CONTROL_SOCKET, Confiner, Execution, Fill, Fired, Grant, Inbox, Message, Order, Outside,
    Place, RunLimits, RunnerError, StepPlace, StepRules, execute, sort_files,
};
use quire::secret::{Redactor, SecretRequest, SecretSources, Secrets as _};
use quire::sys::folder::Folder;
use quire::sys::{handover, lock::LockFile, socket};
use serde_json::Value;
use tokio::sync::Notify;

use super::engine::skip;
use super::executor::{fresh_mark, processes_of};
use super::stories::world::World;

/// An account that owns nothing here.
const OTHER: u32 = 54_321;

const PIPELINE: &str = r#"(local ci (require :quire.ci))
(ci:job :build [:quire/push]
  (fn [{: sh : jobs : write-file}]
    (write-file "made" (. (jobs :quire/push) :commit-message))
    (sh "cat made; echo problem >&2; echo $QUIRE_STEP")
    {:ref (. (jobs :quire/push) :ref)}))
(ci:job :fails [:build] {:allow-failure true}
  (fn [{: sh : jobs}] (sh (.. "echo " (. (jobs :build) :ref) "; exit 3"))))
(ci:job :uses [:build] (fn [{: sh : secret}] (sh "printf %s \"$TOKEN\" | wc -c; echo $TOKEN" {:env {:TOKEN (secret :token)}})))
(ci:job :lacks [:build] {:allow-failure true} (fn [{: secret}] (secret :other)))
"#;

const CONFIG: &str = r#"{:secrets {:token "hunter22-hunter22" :other {:file "/no/such/file" :repos ["another"]}} :limits {:jobs 1}}"#;

/// The facts of a journal without what differs from run to run: times, and the number of the runner's process.
fn facts(run_dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run_dir.join("journal.ndjson")).unwrap();
    let facts = text.lines().map(|line| without_times(serde_json::from_str(line).unwrap()));
    facts.collect()
}

fn without_times(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let differs = |name: &str| matches!(name, "at" | "runner" | "duration" | "duration_ms");
            let kept = members.into_iter().filter(|(name, _)| !differs(name));
            Value::Object(kept.map(|(name, value)| (name, without_times(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_times).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// The logs of a run by their paths, without the time of each line, and without what nobody promises: the order of the
/// lines of two streams.
fn logs(run_dir: &Path) -> Vec<(String, Vec<String>)> {
    let found = Command::new("find")
        .arg(".")
        .args(["-path", "./log/*", "-name", "*.log"])
        .current_dir(run_dir)
        .output();
    let mut paths: Vec<String> =
        String::from_utf8(found.unwrap().stdout).unwrap().lines().map(str::to_owned).collect();
    paths.sort();
    let lines = |path: &String| {
        let text = fs::read_to_string(run_dir.join(path)).unwrap();
        let mut lines: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
        lines.sort();
        lines
    };
    paths.iter().map(|path| (path.clone(), lines(path))).collect()
}

/// The order of the run that this journal opens, as the forge makes it.
fn order(opened: &Value, settings: &Settings, data: &Path) -> Order {
    let text = |name: &str| opened[name].as_str().unwrap().to_owned();
    let (event, repo) = (&opened["event"], RepoName::parse(&text("repo")).unwrap());
    let of_update = |name: &str| event["subject"][name].as_str().unwrap();
    let update = RefUpdate {
        ref_name: RefName::parse(of_update("ref").as_bytes()).unwrap(),
        old: CommitId::parse(of_update("old")).unwrap(),
        new: CommitId::parse(of_update("new")).unwrap(),
    };
    let actor = event["actor"].as_str().map(str::to_owned);
    let event = Event { kind: EventKind::Push, subject: Some(update), actor, at: Timestamp::from_millis(1) };
    let ref_name = event.subject.as_ref().map(|update| &update.ref_name);
    let asker = Asker { repo: Some(&repo), ref_name, event: event.trigger() };
    let policy = Policy::load(&settings.policy, data, (Profile::Secure, ProfileSource::Default));
    Order {
        id: text("id"),
        attempt: 1,
        repo: text("repo"),
        number: opened["number"].as_u64().unwrap(),
        earlier: None,
        vars: BTreeMap::new(),
        only: None,
        event: EventRecord::from(&event),
        secrets: settings.secrets.iter().map(|secret| SecretRequest::new(secret, asker)).collect(),
        limits: RunLimits::of(&settings.limits),
        policy: PolicySpec::from(&policy),
        denied: None,
        decisions: Vec::new(),
        steps: StepRules::of(settings),
        interruptible: true,
        work: None,
    }
}

/// Leads an assignment by a runner of another account, with nothing in its environment.
fn lead(binary: &Path, assignment: &Assignment) -> i32 {
    let run_dir = &assignment.place.run_dir;
    let lock = LockFile::try_acquire(&run_dir.join("lock")).unwrap().unwrap().into_fd();
    let control = socket::listen(&run_dir.join(CONTROL_SOCKET)).unwrap();
    own(run_dir);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut runner = Command::new(binary)
        .arg0("quire")
        .arg("runner")
        .current_dir("/")
        .env_clear()
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .uid(OTHER)
        .gid(OTHER)
        .spawn()
        .unwrap();
    let bytes = assignment.encode().unwrap();
    handover::send(&ours, bytes.len() as u64, &[lock.as_fd(), control.as_fd()]).unwrap();
    (&ours).write_all(&bytes).unwrap();
    drop((lock, control));
    runner.wait().unwrap().code().unwrap()
}

/// Gives a folder with all that is in it to the other account.
fn own(folder: &Path) {
    let given = Command::new("chown").args(["-R", &format!("{OTHER}:{OTHER}")]).arg(folder).status();
    assert!(given.unwrap().success());
}

/// What the other account gets when it reads a file of the forge.
fn read_as_other(path: &Path) -> bool {
    Command::new("cat")
        .arg(path)
        .uid(OTHER)
        .gid(OTHER)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

#[test]
fn a_runner_of_another_account_and_place_writes_the_same_journal() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can start a runner of another account");
    }
    let mut world = World::new();
    let data = world.path().join("data");
    fs::write(data.join("config.fnl"), CONFIG).unwrap();
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o700)).unwrap();
    world.serve(&[]).unwrap();
    fs::write(world.path().join("ci.fnl"), PIPELINE).unwrap();
    let pushed = "quire repo new foo >/dev/null && git init -q foo && cd foo && mkdir .quire && mv ../ci.fnl .quire/ &&
                  git add -A && git commit -qm 'a message' && git push -q ../data/repos/foo.git HEAD:refs/heads/main; quire wait foo#1";
    let ended = world.run(world.command("sh").args(["-c", pushed]));
    assert_eq!(ended.exit, 0, "{}", ended.output);
    world.end_server("TERM");
    let run_dir = data.join("runs/foo.git/1");
    let wanted = facts(&run_dir);
    let other = tempfile::tempdir().unwrap();
    fs::set_permissions(other.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let there = DataDir::new(other.path().join("elsewhere"));
    let (git_dir, run_there) = (other.path().join("objects.git"), other.path().join("run"));
    fs::create_dir_all(there.path()).unwrap();
    fs::create_dir(&run_there).unwrap();
    let copied = Command::new("cp").arg("-r").arg(data.join("repos/foo.git")).arg(&git_dir).status().unwrap();
    assert!(copied.success());
    let binary = other.path().join("quire");
    fs::hard_link(env!("CARGO_BIN_EXE_quire"), &binary)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_quire"), &binary).map(drop))
        .or_else(|_: io::Error| symlink(env!("CARGO_BIN_EXE_quire"), &binary))
        .unwrap();
    own(there.path());
    own(&git_dir);
    let settings = load(&data.join("config.fnl")).unwrap();
    let order = order(&wanted[0]["fact"]["run"], &settings, &data);
    let sent = serde_json::to_string(&order).unwrap();
    for hidden in [world.path().to_str().unwrap(), "hunter22", "/no/such/file"] {
        assert!(!sent.contains(hidden), "{hidden} is in the order: {sent}");
    }
    let order: Order = serde_json::from_str(&sent).unwrap();
    let place =
        Place::new(&order, (&there, InstanceId::new(9)), (git_dir, run_there.clone()), &settings, &[]);
    assert!(!read_as_other(&run_dir.join("journal.ndjson")), "the forge's folder is closed");
    let exit = lead(&binary, &Assignment::new(order, place, Grant { has_slot: true, superseded_by: None }));
    let said = || fs::read_to_string(run_there.join("runner.log")).unwrap_or_default();
    assert_eq!(exit, 0, "{}", said());
    let written = facts(&run_there);
    for (fact, wanted) in written.iter().zip(&wanted) {
        assert_eq!(fact, wanted, "{}", said());
    }
    assert_eq!(written.len(), wanted.len(), "{}", said());
    assert_eq!(logs(&run_there), logs(&run_dir));
    assert!(!run_there.join("work").exists());
}

/// A journal that another process takes over after some facts.
struct TakenOver {
    journal: JournalWriter,
    left: usize,
}

impl JournalSink for TakenOver {
    fn append(&mut self, fact: Fact) -> Result<(), JournalError> {
        let Some(left) = self.left.checked_sub(1) else {
            // Nobody asks again who was refused once.
            self.left = usize::MAX;
            return Err(JournalError::Fenced);
        };
        self.left = left;
        self.journal.append(fact)
    }
}

/// What a run needs whose steps write to `effects`.
fn execution(folder: &Path, journal: Box<dyn JournalSink>, mark: RunMark) -> Execution {
    let (run, work, settings) = (folder.join("run"), folder.join("work"), Settings::default());
    let effect = format!("echo x >>{}", folder.join("effects").display());
    let pipeline = format!(
        r#"(local ci (require :quire.ci))
        (ci:job :long [:quire/push] (fn [{{: sh}}] (sh "{effect}; sleep 100")))
        (ci:job :short [:quire/push] (fn [{{: sh}}] (for [_ 1 9] (sh "{effect}"))))"#
    );
    let mut environment = Environment::default();
    environment.set("PATH", "/usr/local/bin:/usr/bin:/bin").unwrap();
    let logs = Arc::new(Folder::open(&run).unwrap());
    let place = (StepRules::default(), StepPlace::local(&settings));
    Execution {
        mark,
        recorder: Recorder::new(&run, (journal, logs), Redactor::none(), 1 << 20),
        secrets: SecretSources::default().values(&[]),
        environment,
        workspace: Workspace::new(work.clone()),
        limits: RunLimits::of(&settings.limits),
        files: sort_files([(b".quire/ci.fnl".to_vec(), pipeline.into_bytes())]),
        loaded: None,
        cache: None,
        start: Source::Push.into(),
        earlier: None,
        inbox: None,
        lost: Box::pin(std::future::pending()),
        interruptible: true,
        grant: Grant { has_slot: true, superseded_by: None },
        confiner: Arc::new(Confiner::new(place, (work, folder.join("none.git")), None)),
        orphans: Orphans::Unknown,
        unheard: Arc::new(|_| {}),
        policy: Policy::load(&settings.policy, folder, (Profile::Secure, ProfileSource::Default)),
        engine_environment: BTreeMap::new(),
        mounts: Vec::new(),
    }
}

/// Makes the workspace.
fn fill(folder: &Path) -> Fill {
    let work = folder.join("run/work");
    let files = move |_: &AtomicBool| fs::create_dir(&work).map(|()| Fired::new()).map_err(|e| e.to_string());
    Fill { files: Box::new(files), then: Box::new(|| Ok(())) }
}

#[test]
fn a_run_that_another_process_has_taken_over_stops_and_starts_no_further_step() {
    // From before the evaluation is written down until several steps have run.
    for left in 0..10 {
        let (folder, mark) = (tempfile::tempdir().unwrap(), fresh_mark());
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        let journal = TakenOver { journal: JournalWriter::open(&run).unwrap(), left };
        let ended = execute(execution(folder.path(), Box::new(journal), mark), fill(folder.path()));
        assert!(matches!(ended, Err(RunnerError::Fenced(_))), "{left}: {ended:?}");
        let facts = fs::read_to_string(run.join("journal.ndjson")).unwrap();
        assert_eq!(facts.lines().count(), left, "{facts}");
        assert!(!facts.contains("run-ended"));
        let effects = fs::read_to_string(folder.path().join("effects")).unwrap_or_default().lines().count();
        assert!(effects <= facts.matches("step-started").count(), "{effects} effects: {facts}");
        expect_nothing_left(mark);
    }
}

/// The server ends what a runner that is gone has left. This runner is a thread of the test, which may still be starting a step.
fn expect_nothing_left(mark: RunMark) {
    let is_clean = || {
        assert!(quire::executor::sweep_run(&mark).survivors.is_empty());
        processes_of(mark).is_empty()
    };
    assert!((0..1_000).any(|_| is_clean()), "{:?}", processes_of(mark));
}

/// A journal that says when a step starts.
struct Announcing {
    journal: JournalWriter,
    started: Arc<Notify>,
}

impl JournalSink for Announcing {
    fn append(&mut self, fact: Fact) -> Result<(), JournalError> {
        let is_start = matches!(fact, Fact::StepStarted { .. });
        self.journal.append(fact)?;
        if is_start {
            self.started.notify_one();
        }
        Ok(())
    }
}

#[test]
fn a_run_whose_lease_is_lost_kills_its_steps_and_writes_no_end() {
    let (folder, mark) = (tempfile::tempdir().unwrap(), fresh_mark());
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    let started = Arc::new(Notify::new());
    let journal = Announcing { journal: JournalWriter::open(&run).unwrap(), started: Arc::clone(&started) };
    let mut execution = execution(folder.path(), Box::new(journal), mark);
    execution.lost = Box::pin(async move {
        started.notified().await;
        "another worker has the run".to_owned()
    });
    let ended = execute(execution, fill(folder.path()));
    assert!(
        matches!(&ended, Err(RunnerError::Fenced(why)) if why == "another worker has the run"),
        "{ended:?}"
    );
    let facts = fs::read_to_string(run.join("journal.ndjson")).unwrap();
    assert!(facts.contains("step-started") && !facts.contains("run-ended"), "{facts}");
    expect_nothing_left(mark);
}

/// Messages that are there already.
struct Letters(Vec<Message>);

impl Inbox for Letters {
    fn open(self: Box<Self>, events: tokio::sync::mpsc::Sender<Outside>) -> io::Result<()> {
        self.0.into_iter().for_each(|message| events.try_send(Outside::Message(message)).unwrap());
        Ok(())
    }
}

#[test]
fn a_run_is_stopped_by_a_message_wherever_that_comes_from() {
    let (folder, mark) = (tempfile::tempdir().unwrap(), fresh_mark());
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    let mut execution = execution(folder.path(), Box::new(JournalWriter::open(&run).unwrap()), mark);
    let reason = StopReason::Cancelled { by: Some("ann".to_owned()) };
    execution.inbox = Some(Box::new(Letters(vec![Message::Go {}, Message::Stop { reason }])));
    execution.grant.has_slot = false;
    let (outcome, reason) = execute(execution, fill(folder.path())).unwrap();
    assert_eq!((outcome, reason.unwrap().text), (Outcome::Cancelled, "cancelled by ann".to_owned()));
}

/// A journal on a disk that is full for some facts, from an end of the run on.
struct Full {
    journal: JournalWriter,
    refusals: usize,
}

impl JournalSink for Full {
    fn append(&mut self, fact: Fact) -> Result<(), JournalError> {
        let Some(refusals) = self.refusals.checked_sub(1) else { return self.journal.append(fact) };
        self.refusals = refusals;
        Err(JournalError::Full { path: "journal".into(), source: io::ErrorKind::StorageFull.into() })
    }
}

#[test]
fn the_end_of_a_run_waits_for_room_and_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let full = Full { journal: JournalWriter::open(folder.path()).unwrap(), refusals: 2 };
    let logs = Arc::new(Folder::open(folder.path()).unwrap());
    let recorder = Recorder::new(folder.path(), (Box::new(full), logs), Redactor::none(), 1 << 20);
    recorder.write_end((Outcome::Passed, None)).unwrap();
    let facts = fs::read_to_string(folder.path().join("journal.ndjson")).unwrap();
    assert_eq!((facts.lines().count(), facts.matches("run-ended").count()), (1, 1), "{facts}");
}
