//! Following the events of a run, and those of all runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use super::problem::{Code, Problem};
use super::run_feed::{Ahead, RunFeed, unreadable};
use super::state::AppState;
use crate::model::{Progress, RunId};
use crate::run::RunNews;
use crate::store::{RunRow, WriterGone};
use crate::view::{RunEvent, RunEvents};

/// How many follow events at the same time, of one run and of all.
pub(super) const MAX_FOLLOWERS: usize = 2_000;

/// How soon the row of a run is read again that is not live and has not ended: the server has just started.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What is to be followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct FollowEvents {
    /// Only events behind this one.
    pub(crate) after: u64,
}

impl FollowEvents {
    /// Only what happens from now on.
    pub(crate) const FROM_NOW: Self = Self { after: u64::MAX };
}

/// The events of a run, from some place on, as they come.
pub struct EventStream {
    app: AppState,
    row: RunRow,
    feed: Arc<RunFeed>,
    /// The last event that was given.
    after: u64,
    facts: Option<watch::Receiver<u64>>,
    /// What reads events that the feed does not keep any more.
    older: Option<Arc<Mutex<RunEvents>>>,
    _place: OwnedSemaphorePermit,
}

/// The events of all runs, as they come.
pub struct NewsStream {
    news: broadcast::Receiver<(RunId, RunNews)>,
    _place: OwnedSemaphorePermit,
}

/// Follows the events of a run. Nothing when there are none behind `after`, and none will come.
///
/// # Errors
/// There is no event `after`, the events cannot be read, or too many follow.
pub async fn follow_events(
    app: &AppState,
    row: RunRow,
    request: FollowEvents,
) -> Result<Option<EventStream>, Problem> {
    expect_records(app, &row).await?;
    let place = place(app)?;
    let facts = app.live.follow_facts(row.id);
    let feed = app.feeds.open(app, &row);
    let mut after = request.after;
    let mut is_drained = false;
    while feed.seq() <= after && !is_drained {
        is_drained = feed.read_on(app, after).await?;
    }
    if after == FollowEvents::FROM_NOW.after {
        after = feed.seq();
    }
    if feed.seq() < after {
        let text = format!("event {after} does not exist: the newest is {}", feed.seq());
        return Err(
            Problem::new(Code::CursorAhead, text).hint("start again without Last-Event-ID and `after`")
        );
    }
    if matches!(feed.ahead(after), Ahead::Over) {
        return Ok(None);
    }
    let app = app.clone();
    Ok(Some(EventStream { app, row, feed, after, facts, older: None, _place: place }))
}

/// Follows all runs from now on.
///
/// # Errors
/// Too many follow.
pub fn follow_news(app: &AppState) -> Result<NewsStream, Problem> {
    Ok(NewsStream { _place: place(app)?, news: app.live.follow_all() })
}

impl NewsStream {
    /// The next thing that happens to a run; nothing when the follower is too late to hear all.
    pub(crate) async fn next(&mut self) -> Option<(RunId, RunNews)> {
        self.news.recv().await.ok()
    }
}

impl EventStream {
    /// The next events; nothing behind the last one. Nothing is lost when it is not waited for to the end.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Arc<RunEvent>>>, Problem> {
        self.next_or_wait(true).await
    }

    /// The next events that are there already; nothing when there are none for now.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn next_there(&mut self) -> Result<Option<Vec<Arc<RunEvent>>>, Problem> {
        self.next_or_wait(false).await
    }

    async fn next_or_wait(&mut self, waits: bool) -> Result<Option<Vec<Arc<RunEvent>>>, Problem> {
        loop {
            match self.feed.ahead(self.after) {
                Ahead::Events(events) => {
                    self.older = None;
                    return Ok(self.pass(events));
                }
                Ahead::Over => return Ok(None),
                Ahead::Older => {
                    let events = self.read_older().await?;
                    if !events.is_empty() {
                        return Ok(self.pass(events));
                    }
                }
                Ahead::Nothing => {
                    // Seen first, then read: what comes in between wakes again.
                    if let Some(facts) = &mut self.facts {
                        facts.borrow_and_update();
                    }
                    if self.feed.read_on(&self.app, self.after).await? && self.is_drained() {
                        if !waits {
                            return Ok(None);
                        }
                        self.wait().await;
                    }
                }
            }
        }
    }

    fn is_drained(&self) -> bool {
        matches!(self.feed.ahead(self.after), Ahead::Nothing)
    }

    fn pass(&mut self, events: Vec<Arc<RunEvent>>) -> Option<Vec<Arc<RunEvent>>> {
        self.after = events.last().map_or(self.after, |event| event.seq);
        Some(events)
    }

    /// Waits until there may be more.
    async fn wait(&mut self) {
        if let Some(facts) = &mut self.facts {
            if facts.changed().await.is_err() {
                self.facts = None;
            }
            return;
        }
        self.facts = self.app.live.follow_facts(self.row.id);
        if self.facts.is_none() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Some events that the feed does not keep any more, read for this follower alone.
    async fn read_older(&mut self) -> Result<Vec<Arc<RunEvent>>, Problem> {
        let ended = self.feed.ended(&self.app).await?;
        let older = self.older.get_or_insert_with(|| {
            Arc::new(Mutex::new(RunEvents::new(&self.row, self.feed.run_dir(), self.after)))
        });
        let older = Arc::clone(older);
        let after = self.after;
        let read = self
            .app
            .read(move || older.lock().unwrap_or_else(PoisonError::into_inner).read(ended.as_deref()));
        let batch = read.await.ok_or(WriterGone)?.map_err(|error| unreadable(&error))?;
        let starts_late = batch.events.first().is_some_and(|first| first.seq != after + 1);
        if starts_late {
            // What comes before was read for a wait that was given up: it is read again.
            self.older = None;
            return Ok(Vec::new());
        }
        if batch.is_drained && batch.events.is_empty() {
            let text = format!("the journal of {}#{} has become shorter", self.row.repo, self.row.number);
            return Err(Problem::new(Code::RunUnreadable, text));
        }
        Ok(batch.events.into_iter().map(Arc::new).collect())
    }
}

/// A place among those who follow.
fn place(app: &AppState) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&app.followers).try_acquire_owned().map_err(|_| {
        Problem::new(Code::ServerBusy, "too many clients follow events already").hint("try again later")
    })
}

/// A run that had a runner has a journal, unless retention has removed it.
async fn expect_records(app: &AppState, row: &RunRow) -> Result<(), Problem> {
    if row.state != Progress::Finished || row.started_at.is_none() {
        return Ok(());
    }
    let run_dir = app.data.run(&row.repo, row.number);
    let is_gone = app.read(move || {
        let gone = run_dir.join(crate::journal::JOURNAL).symlink_metadata();
        gone.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    });
    if is_gone.await == Some(true) {
        let text = format!("the records of {}#{} are gone", row.repo, row.number);
        return Err(Problem::new(Code::CursorExpired, text));
    }
    Ok(())
}
