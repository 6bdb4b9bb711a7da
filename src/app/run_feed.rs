//! The events of one run, read once for all who follow them at the same time.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::problem::{Code, Problem};
use super::state::AppState;
use crate::model::{Progress, RunId, RunName};
use crate::store::{self, RunRow, WriterGone};
use crate::view::{EventsError, RunEvent, RunEvents};

/// The newest events of a run that are kept for its followers: bytes, and number.
const MAX_KEPT_BYTES: usize = 1 << 20;
const MAX_KEPT: usize = 4_096;

/// What a follower takes at once, in bytes, unless one event is larger: a client that does not read keeps it in memory.
const MAX_TAKEN: usize = 64 << 10;

/// The runs that are followed. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunFeeds(Arc<Mutex<HashMap<RunId, Weak<RunFeed>>>>);

/// The events of one run. It is there as long as somebody follows it.
#[derive(Debug)]
pub(super) struct RunFeed {
    run: RunId,
    run_dir: PathBuf,
    source: Mutex<RunEvents>,
    kept: Mutex<Kept>,
    /// Held by the follower who reads on for all.
    turn: tokio::sync::Mutex<()>,
    /// The row of the run, once it has ended.
    ended: Mutex<Option<Arc<RunRow>>>,
}

/// The newest events.
#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<RunEvent>>,
    bytes: usize,
    /// The last event that was read.
    seq: u64,
    is_over: bool,
}

/// What a feed has behind some event.
#[derive(Debug)]
pub(super) enum Ahead {
    /// These.
    Events(Vec<Arc<RunEvent>>),
    /// Nothing yet.
    Nothing,
    /// Events that are not kept any more.
    Older,
    /// Nothing, and nothing will come.
    Over,
}

impl RunFeeds {
    /// The feed of a run, which is begun when nobody follows the run.
    pub(super) fn open(&self, app: &AppState, row: &RunRow) -> Arc<RunFeed> {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(&row.id).and_then(Weak::upgrade) {
            return feed;
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let run_dir = app.data.run(&row.repo, row.number);
        let feed = Arc::new(RunFeed {
            run: row.id,
            source: Mutex::new(RunEvents::new(row, &run_dir, 0)),
            run_dir,
            kept: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            ended: Mutex::default(),
        });
        feeds.insert(row.id, Arc::downgrade(&feed));
        feed
    }
}

impl RunFeed {
    /// What there is behind event `after`.
    pub(super) fn ahead(&self, after: u64) -> Ahead {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if after >= kept.seq {
            return if kept.is_over { Ahead::Over } else { Ahead::Nothing };
        }
        let first = kept.events.front().map_or(u64::MAX, |event| event.seq);
        match after.checked_sub(first.saturating_sub(1)) {
            None => Ahead::Older,
            Some(known) => {
                let known = usize::try_from(known).unwrap_or(usize::MAX);
                let mut left = MAX_TAKEN;
                let fits = |event: &&Arc<RunEvent>| {
                    let had_room = left > 0;
                    left = left.saturating_sub(event.sse().len());
                    had_room
                };
                Ahead::Events(kept.events.iter().skip(known).take_while(fits).cloned().collect())
            }
        }
    }

    /// The folder of the run.
    pub(super) fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The last event that was read.
    pub(super) fn seq(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).seq
    }

    /// Reads on, unless somebody else has read what comes behind `after` meanwhile; whether there is no more for now. What
    /// was read is kept also when the one who waits for it goes away.
    pub(super) async fn read_on(self: &Arc<Self>, app: &AppState, after: u64) -> Result<bool, Problem> {
        let _turn = self.turn.lock().await;
        if self.seq() > after {
            return Ok(false);
        }
        let ended = self.ended(app).await?;
        let feed = Arc::clone(self);
        let read = app.read(move || {
            let mut source = feed.source.lock().unwrap_or_else(PoisonError::into_inner);
            let batch = source.read(ended.as_deref())?;
            let mut kept = feed.kept.lock().unwrap_or_else(PoisonError::into_inner);
            for event in batch.events {
                kept.push(Arc::new(event));
            }
            Ok::<_, EventsError>(batch.is_drained)
        });
        read.await.ok_or(WriterGone)?.map_err(|error| unreadable(&error))
    }

    /// The row of the run once it has ended. The end is in the row before the run is not live any more.
    pub(super) async fn ended(&self, app: &AppState) -> Result<Option<Arc<RunRow>>, Problem> {
        let known = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let run = self.run;
        if known.is_some() || app.live.follow_facts(run).is_some() {
            return Ok(known);
        }
        let found = app.store.call(move |connection| store::find_run(connection, &RunName::Id(run)));
        let found = found.await??.filter(|row| row.state == Progress::Finished).map(Arc::new);
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&found);
        Ok(found)
    }
}

impl Kept {
    fn push(&mut self, event: Arc<RunEvent>) {
        (self.seq, self.is_over) = (event.seq, event.is_last);
        self.bytes += event.sse().len();
        self.events.push_back(event);
        while self.bytes > MAX_KEPT_BYTES || self.events.len() > MAX_KEPT {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.sse().len();
        }
    }
}

/// The problem that the files of a run cannot be read.
pub(super) fn unreadable(error: &EventsError) -> Problem {
    Problem::caused_by(Code::RunUnreadable, error)
}
