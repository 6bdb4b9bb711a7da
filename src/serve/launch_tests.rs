use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::app::{AppState, Wake};
use crate::config::{CurrentSettings, DataDir};
use crate::event::{Event, EventKind};
use crate::journal::{Fact, JournalSink as _, JournalWriter, OpenedRun};
use crate::model::{InstanceId, Outcome, Reason, RunId, RunName};
use crate::run::{Answer, Message, RunNews};
use crate::secret::Redactor;
use crate::serve::dispatcher::{DispatchStart, dispatch};
use crate::store::{self, NewRun, Store};
use crate::sys::{clock, random};

/// What one of them writes at once, and whether it is killed then; `None` for one that stays.
type Life = (Vec<Fact<String>>, Option<bool>);

/// Runners elsewhere, which need no process here: what they write comes into the journal of their run.
struct Elsewhere {
    next: Mutex<VecDeque<Life>>,
}

impl Launch for Elsewhere {
    fn start(&self, given: &Assignment) -> Result<Launched, LaunchError> {
        let run_dir = &given.place.run_dir;
        std::fs::create_dir_all(run_dir).unwrap();
        let (facts, end) = self.next.lock().unwrap().pop_front().unwrap();
        let mut journal = JournalWriter::open(run_dir).unwrap();
        let run = OpenedRun {
            repo: given.order.repo.clone(),
            number: given.order.number,
            id: given.order.id.clone(),
            event: None,
            runner: 0,
        };
        for fact in std::iter::once(Fact::RunOpened { run: Box::new(run) }).chain(facts) {
            journal.append(fact.redacted(&Redactor::none())).unwrap();
        }
        let (sender, messages) = mpsc::channel(1);
        let leader = Box::new(Remote { journal, messages, end });
        Ok(Launched::Started(Led { leader, control: Box::new(Mailbox { sender, heard: 0 }) }))
    }

    fn find(&self, _row: &RunRow) -> io::Result<Found> {
        Ok(Found::Queued)
    }

    fn prepare(&self) -> Result<(), LaunchError> {
        Ok(())
    }
}

/// One of them, as it is seen from here.
struct Remote {
    journal: JournalWriter,
    messages: mpsc::Receiver<Message>,
    end: Option<bool>,
}

impl Leader for Remote {
    fn next(&mut self) -> Pending<'_, Seen> {
        Box::pin(async {
            if self.end.is_some() {
                return Seen::Gone;
            }
            if let Some(Message::Stop { reason }) = self.messages.recv().await {
                let (outcome, why) = reason.end();
                for fact in [Fact::StopAsked { reason }, Fact::run_ended((outcome, Some(why)))] {
                    self.journal.append(fact.redacted(&Redactor::none())).unwrap();
                }
                self.end = Some(false);
            }
            Seen::Change
        })
    }

    fn kill(&self) {}

    fn was_killed(&self) -> bool {
        self.end.unwrap_or_default()
    }
}

/// The way to one of them.
struct Mailbox {
    sender: mpsc::Sender<Message>,
    heard: usize,
}

impl Control for Mailbox {
    fn send<'a>(&'a mut self, message: &'a Message) -> Pending<'a, ()> {
        Box::pin(async {
            self.heard += usize::from(self.sender.send(message.clone()).await.is_ok());
        })
    }

    fn answer(&mut self) -> Pending<'_, Option<Answer>> {
        let is_heard = self.heard > 0;
        self.heard = self.heard.saturating_sub(1);
        Box::pin(std::future::ready(is_heard.then_some(Answer::Heard)))
    }
}

fn queued(store: &rusqlite::Connection) -> RunId {
    let id = random::run_id();
    let event = Event { kind: EventKind::Push, subject: None, actor: None, at: clock::now() };
    let repo = store::repo_of_jobs(store).unwrap().id;
    let (options, queued_at) = (Vec::new(), clock::now());
    let run = NewRun { id, repo, update: None, event, commit_subject: None, options, queued_at, ended: None };
    store::insert_run(store, &run).unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_followed_and_settled_whoever_leads_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path());
    let database = store::open(&data.database()).unwrap();
    let started = || vec![Fact::Evaluated { jobs: Vec::new(), diagnostics: Vec::new() }, Fact::RunStarted {}];
    let passed = || [started(), vec![Fact::run_ended((Outcome::Passed, None))]].concat();
    let gone = Some("its runner was gone before it had ended");
    let unconfirmed = Some("its runner was killed before it had confirmed the end");
    let cases = [
        (passed(), Some(false), Outcome::Passed, None),
        (started(), Some(false), Outcome::Interrupted, gone),
        (started(), Some(true), Outcome::Interrupted, gone),
        (passed(), Some(true), Outcome::Interrupted, unconfirmed),
        (started(), None, Outcome::Cancelled, Some("cancelled by ann")),
    ];
    let runs: Vec<RunId> = cases.iter().map(|_| queued(&database)).collect();
    let (store, _writer) = Store::start(database);
    let ((wake, wakes), (pushes, _pushes), (watches, _watches)) =
        (mpsc::channel(16), mpsc::channel(1), mpsc::channel(1));
    let settings = Arc::new(CurrentSettings::unread(data.config()));
    let channels = (wake.clone(), pushes, watches);
    let app = AppState::new((data, InstanceId::new(7)), store, settings, channels, (None, Vec::new()));
    let mut news = app.live.follow_all();
    let next = cases.iter().map(|(facts, end, ..)| (facts.clone(), *end)).collect();
    let start = DispatchStart { launch: Arc::new(Elsewhere { next: Mutex::new(next) }), shows_output: false };
    let queue = tokio::spawn(dispatch(app.clone(), start, wakes));
    let (mut ended, mut is_cancelled) = (0, false);
    while ended < runs.len() {
        let (run, what) = news.recv().await.unwrap();
        ended += usize::from(what == RunNews::Finished);
        if run == runs[4] && what == RunNews::Started && !is_cancelled {
            let (answer, answered) = oneshot::channel();
            wake.send(Wake::Cancel { run, by: Some("ann".to_owned()), answer }).await.unwrap();
            assert!(answered.await.unwrap().is_ok());
            is_cancelled = true;
        }
    }
    for ((_, _, outcome, reason), run) in cases.iter().zip(runs) {
        let row = app.store.call(move |store| store::find_run(store, &RunName::Id(run))).await;
        let row = row.unwrap().unwrap().unwrap();
        let text = row.reason.as_ref().map(|reason: &Reason| reason.text.as_str());
        assert_eq!((row.outcome, text), (Some(*outcome), *reason));
    }
    queue.abort();
}
