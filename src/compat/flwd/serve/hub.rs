//! The events of all runs, in the order in which the server has read them. They are read for all who follow, from the time on
//! at which the first one comes, and kept for a while.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::FlwdState;
use super::identity::FlwdCaller;
use super::problem::FlwdProblem;
use super::streams::{KEEP_ALIVE, KEEP_ALIVE_EVERY, PREAMBLE, event_stream, last_seen, stream_of};
use crate::app::{FollowEvents, NewsStream, Problem, RunRow, follow_events, follow_news};
use crate::compat::flwd::events::{FlwdEvent, Translator};
use crate::http::BodyParts;
use crate::model::{Progress, RunId, Timestamp};
use crate::run::RunNews;
use crate::sys::clock;

/// The events that are kept: how many, how many bytes, and how long.
const MAX_KEPT: usize = 16_384;
const MAX_KEPT_BYTES: usize = 8 << 20;
const KEPT_FOR: Duration = Duration::from_secs(5 * 60);

/// What somebody who comes anew gets of it.
const MAX_REPLAYED: usize = 1_000;

/// Runs that had ended before somebody came, and are read.
const MAX_ENDED: usize = 200;

/// The events of all runs. Clones share them.
#[derive(Clone)]
pub(super) struct Hub(Arc<Shared>);

struct Shared {
    kept: Mutex<Kept>,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
    /// Events from before are of no interest: the server had not begun.
    since: Timestamp,
    begun: OnceCell<()>,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<HubEvent>,
    bytes: usize,
    newest: u64,
}

struct HubEvent {
    id: u64,
    at: Instant,
    sse: Bytes,
}

/// `GET /events`: of all runs, or of one.
pub(super) async fn of_all(
    State(flwd): State<FlwdState>,
    caller: FlwdCaller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, FlwdProblem> {
    let last = last_seen(&headers, &uri)?;
    let mut parts = uri.query().unwrap_or_default().split('&');
    if let Some(run) = parts.find_map(|part| part.strip_prefix("run_id=")) {
        return stream_of(&flwd, caller, (run, last)).await;
    }
    if last > 0 {
        flwd.metrics.resumed();
    }
    flwd.hub.begin(&flwd).await?;
    let hub = flwd.hub.clone();
    Ok(event_stream(&flwd, caller, move |parts| async move { hub.send(last, parts).await }))
}

impl Hub {
    /// Of a server that begins now. Later servers give higher numbers.
    pub(super) fn new() -> Self {
        let since = clock::now();
        let first = u64::try_from(since.as_millis()).unwrap_or_default().saturating_mul(1000);
        let kept = Mutex::new(Kept { newest: first, ..Kept::default() });
        Self(Arc::new(Shared { kept, newest: watch::Sender::new(first), since, begun: OnceCell::new() }))
    }

    /// Begins to read, once.
    async fn begin(&self, flwd: &FlwdState) -> Result<(), Problem> {
        let begin = async || {
            // Listened first, then looked: none that begins in between is missed.
            let news = follow_news(&flwd.app)?;
            let kept_for = i64::try_from(KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
            let recent = Timestamp::from_millis(clock::now().as_millis().saturating_sub(kept_for));
            let ended = flwd.runs_since(self.0.since.max(recent), MAX_ENDED).await?;
            let ended: Vec<RunRow> =
                ended.into_iter().rev().filter(|row| row.state == Progress::Finished).collect();
            let known = ended.iter().map(|row| row.id).collect();
            let mut reading = Reading { hub: self.clone(), flwd: flwd.clone(), runs: HashMap::new(), known };
            ended.into_iter().for_each(|row| reading.read(row));
            reading.read_running().await?;
            tokio::spawn(reading.follow(news));
            Ok(())
        };
        self.0.begun.get_or_try_init(begin).await.copied()
    }

    fn push(&self, event: &FlwdEvent) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.newest += 1;
        let id = kept.newest;
        let sse = Bytes::from(event.sse(id));
        kept.bytes += sse.len();
        kept.events.push_back(HubEvent { id, at: Instant::now(), sse });
        while kept.events.len() > MAX_KEPT
            || kept.bytes > MAX_KEPT_BYTES
            || kept.events.front().is_some_and(|event| event.at.elapsed() > KEPT_FOR)
        {
            let Some(oldest) = kept.events.pop_front() else { break };
            kept.bytes -= oldest.sse.len();
        }
        drop(kept);
        self.0.newest.send_replace(id);
    }

    /// Where somebody begins who has seen `last`.
    fn place(&self, last: u64) -> u64 {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let replayed = kept.events.len().saturating_sub(MAX_REPLAYED);
        let first = kept.events.get(replayed).map_or(kept.newest, |event| event.id - 1);
        last.max(first).min(kept.newest)
    }

    /// The events behind a place; nothing when some of them are not kept any more.
    fn behind(&self, place: u64) -> Option<(u64, Vec<Bytes>)> {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = kept.events.front().map_or(kept.newest + 1, |event| event.id);
        let skip = usize::try_from((place + 1).checked_sub(oldest)?).unwrap_or(usize::MAX);
        let events: Vec<Bytes> = kept.events.iter().skip(skip).map(|event| event.sse.clone()).collect();
        Some((kept.newest, events))
    }

    async fn send(&self, last: u64, parts: BodyParts) {
        let mut newest = self.0.newest.subscribe();
        let mut place = self.place(last);
        let mut is_there = parts.send(Bytes::from_static(PREAMBLE)).await;
        while is_there {
            newest.borrow_and_update();
            // Who is too late to have all has to come again.
            let Some((last, events)) = self.behind(place) else { return };
            place = last;
            for event in events {
                if !parts.send(event).await {
                    return;
                }
            }
            let changed = tokio::select! {
                () = parts.closed() => return,
                changed = timeout(KEEP_ALIVE_EVERY, newest.changed()) => changed,
            };
            is_there = match changed {
                Ok(changed) => changed.is_ok(),
                Err(_) => parts.send(Bytes::from_static(KEEP_ALIVE)).await,
            };
        }
    }
}

/// Reads the events of all runs.
struct Reading {
    hub: Hub,
    flwd: FlwdState,
    /// The runs that are read, until it is heard that they have ended.
    runs: HashMap<RunId, JoinHandle<()>>,
    /// Runs that had ended when it began.
    known: HashSet<RunId>,
}

impl Reading {
    /// Reads runs as they begin, or end without having begun.
    async fn follow(mut self, mut news: NewsStream) {
        loop {
            match news.next().await {
                Some((_, RunNews::Queued)) => {}
                Some((run, _)) if self.known.contains(&run) => {}
                Some((run, RunNews::Started)) => self.find(run).await,
                Some((run, RunNews::Finished)) => {
                    if !self.runs.contains_key(&run) {
                        self.find(run).await;
                    }
                    self.runs.remove(&run);
                }
                // Too much has happened at once.
                None => {
                    let Ok(again) = follow_news(&self.flwd.app) else { return };
                    news = again;
                    self.runs.retain(|_, reading| !reading.is_finished());
                    if let Err(problem) = self.read_running().await {
                        tracing::warn!(%problem, "events of some runs do not reach GET /events");
                    }
                }
            }
        }
    }

    async fn read_running(&mut self) -> Result<(), Problem> {
        self.flwd.running().await?.into_iter().for_each(|row| self.read(row));
        Ok(())
    }

    async fn find(&mut self, run: RunId) {
        if let Ok((row, _)) = self.flwd.run(&run.to_string()).await {
            self.read(row);
        }
    }

    fn read(&mut self, row: RunRow) {
        let (hub, flwd, id) = (self.hub.clone(), self.flwd.clone(), row.id);
        self.runs.entry(id).or_insert_with(|| {
            tokio::spawn(async move {
                if let Err(problem) = read_run(&hub, &flwd, row).await {
                    tracing::warn!(%problem, run = %id, "events of a run do not reach GET /events");
                }
            })
        });
    }
}

async fn read_run(hub: &Hub, flwd: &FlwdState, row: RunRow) -> Result<(), Problem> {
    let mut translator = Translator::new(flwd.facts(&row).await?);
    let Some(mut events) = follow_events(&flwd.app, row, FollowEvents::default()).await? else {
        return Ok(());
    };
    while let Some(batch) = events.next().await? {
        for event in batch.iter().flat_map(|event| translator.translate(event)) {
            if Timestamp::parse(&event.timestamp).is_none_or(|at| at >= hub.0.since) {
                hub.push(&event);
            }
        }
    }
    Ok(())
}
