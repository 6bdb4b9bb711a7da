//! `POST /intents` and `POST /events`: what hooks say.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::report;
use super::spool::drain_spool;
use crate::app::{AppState, Look};
use crate::event::RefUpdate;
use crate::forge::Refs;
use crate::intake::{EventFrame, IntentFrame};
use crate::model::{Timestamp, chain};
use crate::store::{self, NewPush, OpenPush, RepoRow};

/// How long a report waits for those of earlier pushes to the same ref. What is not decided then is settled when they are
/// over.
const RIVAL_PATIENCE: Duration = Duration::from_secs(2);

/// Why a frame was not taken.
pub(super) struct Refusal(pub(super) StatusCode, pub(super) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

fn bad(problem: impl std::fmt::Display) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, problem.to_string())
}

fn failed(problem: impl std::fmt::Display) -> Refusal {
    Refusal(StatusCode::SERVICE_UNAVAILABLE, problem.to_string())
}

/// Records what a push wants to do. The answer comes after it is on disk.
pub(super) async fn intents(
    State(app): State<AppState>,
    Json(frame): Json<IntentFrame>,
) -> Result<StatusCode, Refusal> {
    to_its_end(async move {
        let push = take_intent(&app, &frame).await?;
        announce(&app, push).await;
        Ok(StatusCode::OK)
    })
    .await
}

/// Does the work of a request to its end, also when the hook is killed meanwhile: its connection closes then, and a
/// handler by itself would be dropped between any two of its steps.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::spawn(work).await.map_err(failed)?
}

/// Has a recorded push watched until its receive-pack is gone.
pub(super) async fn announce(app: &AppState, push: OpenPush) {
    if app.pushes.send(push).await.is_err() {
        tracing::debug!("the server is on its way out");
    }
}

/// Records an intent, from a hook or from the spool.
pub(super) async fn take_intent(app: &AppState, frame: &IntentFrame) -> Result<OpenPush, Refusal> {
    let (updates, at) = frame.parse().map_err(|error| bad(chain(&error)))?;
    let repo = repository_of(app, frame).await?;
    let push = OpenPush {
        push: frame.push.clone(),
        repo: repo.id.clone(),
        pid: frame.pid,
        started: frame.started,
        boot: frame.boot.clone(),
        at,
    };
    record(app, frame, &repo, (updates, at)).await?;
    app.open_push(&repo.id, &frame.push);
    Ok(push)
}

/// Writes the push and its intents into the database, with aliases of refs resolved.
async fn record(
    app: &AppState,
    frame: &IntentFrame,
    repo: &RepoRow,
    (updates, at): (Vec<RefUpdate>, Timestamp),
) -> Result<(), Refusal> {
    let mut push = NewPush {
        push: frame.push.clone(),
        repo: repo.id.clone(),
        pid: frame.pid,
        started: frame.started,
        boot: frame.boot.clone(),
        pusher: frame.pusher.clone(),
        options: frame.options.clone(),
        at,
        updates,
    };
    let git_dir = app.data.repo(&repo.name);
    let recorded = app.store.call(move |connection| {
        resolve(&git_dir, &mut push.updates);
        let transaction = connection.transaction()?;
        store::insert_push(&transaction, &push)?;
        transaction.commit()
    });
    recorded.await.map_err(failed)?.map_err(failed)
}

/// Puts the refs that names stand for in the place of the names. A name that cannot be read stays.
fn resolve(git_dir: &Path, updates: &mut [RefUpdate]) {
    let mut refs = Refs::of(git_dir);
    for update in updates {
        if let Ok(name) = refs.resolve(&update.ref_name) {
            update.ref_name = name;
        }
    }
}

/// The repository at a path that a hook names.
async fn repository(app: &AppState, git_dir: &str) -> Result<RepoRow, Refusal> {
    let name = app.data.repo_name(Path::new(git_dir));
    let name = name.ok_or_else(|| bad(format!("{git_dir} is no repository of this server")))?;
    let found = app.repo(name.clone()).await.map_err(failed)?;
    found.ok_or_else(|| {
        let problem = format!(
            "{name} is not adopted, or is a copy of another repository: its pushes cannot be recorded; run `quire repo adopt {name}`"
        );
        Refusal(StatusCode::CONFLICT, problem)
    })
}

/// The repository that an intent is for. One that waited in the spool may have another name by now.
async fn repository_of(app: &AppState, frame: &IntentFrame) -> Result<RepoRow, Refusal> {
    let Some(id) = frame.repo.clone() else { return repository(app, &frame.git_dir).await };
    let there =
        crate::forge::read_identity(Path::new(&frame.git_dir)).map_err(|error| failed(chain(&error)))?;
    if there.is_some_and(|there| there.id.to_string() == id) {
        return repository(app, &frame.git_dir).await;
    }
    match app.repo_of_id(id).await.map_err(failed)? {
        Some(row) => Ok(row),
        None => repository(app, &frame.git_dir).await,
    }
}

/// Settles what a push has done, and streams what the pusher is to read. The answer begins at once, so that the hook
/// knows that somebody is there, however many refs there are to look at.
pub(super) async fn events(
    State(app): State<AppState>,
    Json(frame): Json<EventFrame>,
) -> Result<Response, Refusal> {
    let updates = frame.parse().map_err(|error| bad(chain(&error)))?;
    let repo = repository(&app, &frame.git_dir).await?;
    let (settled, reported) = oneshot::channel();
    let lines = report::start(app.clone(), frame.push.clone(), frame.options.clone(), reported);
    // Not tied to the hook: a client that leaves does not stop what its push has begun.
    tokio::spawn(async move {
        let ended = settle_event(&app, &frame.push, &repo, updates).await;
        let _gone = settled.send(ended.map_err(|Refusal(_, problem)| problem)).is_err();
    });
    Ok(Body::from_stream(lines).into_response())
}

/// Settles what a hook says has happened. The push counts as open until then: what it reports decides about others that
/// announced the same.
async fn settle_event(
    app: &AppState,
    push: &str,
    repo: &RepoRow,
    updates: Vec<RefUpdate>,
) -> Result<(), Refusal> {
    app.open_push(&repo.id, push);
    let settled = settle_reported(app, push, repo, updates).await;
    app.close_push(&repo.id, push);
    settled
}

async fn settle_reported(
    app: &AppState,
    push: &str,
    repo: &RepoRow,
    mut updates: Vec<RefUpdate>,
) -> Result<(), Refusal> {
    resolve(&app.data.repo(&repo.name), &mut updates);
    // A server that was stopped for a moment finds the intent of this very push in its spool.
    drain_spool(app).await;
    let id = push.to_owned();
    let reopened = app.store.call(move |connection| store::reopen_push(connection, &id));
    let reopened = reopened.await.map_err(failed)?.map_err(failed)?;
    // A report of a push that was never announced proves nothing that the refs do not say themselves.
    let look = match reopened {
        Some(_) => Look::Reported { push: push.to_owned(), updates },
        None => Look::All,
    };
    let deadline = Instant::now() + RIVAL_PATIENCE;
    let settled = loop {
        let settled = app.settle(repo.clone(), look.clone()).await.map_err(failed)?;
        // Before its own updates are some of pushes that report in a moment.
        let Some(undecided) = settled.undecided.first() else { break settled };
        let over = app.until_one_is_over(&repo.id, &undecided.open);
        if timeout_at(deadline, over).await.is_err() {
            break settled;
        }
    };
    let has_no_end = app.unseen.take(push) || reopened.is_some_and(|count| count > 0);
    if has_no_end && settled.unread.is_empty() && settled.undecided.is_empty() {
        // Nobody sees the end of its receive-pack, and git reports all that has happened at once.
        let id = push.to_owned();
        let closed = app.store.call(move |connection| store::settle_push(connection, &id));
        closed.await.map_err(failed)?.map_err(failed)?;
    }
    Ok(())
}
