//! Pushes: what a hook announces is recorded, what it reports is settled.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::problem::{Code, Problem};
use super::push_report;
use super::spool::drain_spool;
use super::state::{AppState, Look, Wake};
use crate::event::RefUpdate;
use crate::forge::{self, Refs};
use crate::intake::{
    EventFrame, IntentFrame, ProtectedPush, is_protected, refuse_protected, refused_ref, unknown_protection,
};
use crate::metrics::PushResult;
use crate::model::{AuditAction, RefName, Timestamp};
use crate::run::{RunLimits, Speculation};
use crate::store::{self, AuditEntry, NewPush, OpenPush, RepoRow};

/// How long a report waits for those of earlier pushes to the same ref. What is not decided then is settled when they are
/// over.
const RIVAL_PATIENCE: Duration = Duration::from_secs(2);

fn invalid(error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::caused_by(Code::PushInvalid, error)
}

/// The problem that something of a push could not be recorded.
fn unrecorded(error: impl Into<Problem>) -> Problem {
    Problem { code: Code::PushUnrecorded, ..error.into() }
}

/// Records what a push is about to do, and has it watched. Does so to the end, also when the hook is killed meanwhile: its
/// connection closes then, and whoever waits for this is dropped.
///
/// # Errors
/// When it is not a push to a repository of this server, or nothing could be recorded.
pub(crate) async fn record_push(app: AppState, frame: IntentFrame) -> Result<(), Problem> {
    let recording = tokio::spawn(async move {
        let refused = |problem: &Problem| audit(&app, &frame, problem);
        expect_unprotected(&app, &frame).await.inspect_err(refused)?;
        let push = take_intent(&app, &frame).await.inspect_err(refused)?;
        announce(&app, push).await;
        Ok(())
    });
    recording.await.map_err(|error| Problem::caused_by(Code::PushUnrecorded, &error))?
}

/// Checks that a push moves no protected ref in a way that is refused. Without such a rule for the repository, nothing is read.
async fn expect_unprotected(app: &AppState, frame: &IntentFrame) -> Result<(), Problem> {
    let settings = app.settings.get_async().await.map_err(|error| Problem::failed(&error))?;
    let Some(repo) = app.data.repo_name(Path::new(&frame.git_dir)) else { return Ok(()) };
    if let Some(trouble) = app.settings.unknown_protection() {
        return Err(Problem::new(Code::PushRefused, unknown_protection(&trouble)));
    }
    if !is_protected(&settings, &repo) {
        return Ok(());
    }
    let (updates, _) = frame.parse().map_err(|error| invalid(&error))?;
    let (git_dir, quarantine) = (app.data.repo(&repo), frame.quarantine.clone());
    let judged = app.store.read(move |connection| {
        let quarantine = quarantine.as_deref();
        refuse_protected(
            connection,
            &settings,
            ProtectedPush { repo: &repo, git_dir: &git_dir, quarantine, updates: &updates },
        )
    });
    match judged.await? {
        Some(refusal) => Err(Problem::new(Code::PushRefused, refusal)),
        None => Ok(()),
    }
}

/// Records that a push is refused. Whatever else is wrong with an announcement, the hook leaves it in the spool.
fn audit(app: &AppState, frame: &IntentFrame, problem: &Problem) {
    if !matches!(problem.code, Code::PushRefused | Code::RepoNotAdopted) {
        return;
    }
    let repo = app.data.repo_name(Path::new(&frame.git_dir));
    let subject = repo.map_or_else(|| frame.git_dir.clone(), |repo| repo.to_string());
    let entry = AuditEntry::by_user(frame.pusher.as_deref(), AuditAction::PushRefused).on(subject);
    app.metrics.pushed(PushResult::Refused, 1);
    app.audit(entry.with("code", problem.code.as_str()).with("reason", problem.text.as_str()));
}

/// Has a recorded push watched until its receive-pack is gone.
pub(super) async fn announce(app: &AppState, push: OpenPush) {
    if app.pushes.send(push).await.is_err() {
        tracing::debug!("the server is stopping");
    }
}

/// Records an intent, from a hook or from the spool.
pub(super) async fn take_intent(app: &AppState, frame: &IntentFrame) -> Result<OpenPush, Problem> {
    let (updates, at) = frame.parse().map_err(|error| invalid(&error))?;
    if let Some(refusal) = refused_ref(&updates) {
        return Err(Problem::new(Code::PushRefused, refusal));
    }
    let repo = repository_of(app, frame).await?;
    let push = OpenPush {
        push: frame.push.clone(),
        repo: repo.id.clone(),
        pid: frame.pid,
        started: frame.started,
        boot: frame.boot.clone(),
        at,
    };
    speculate(app, frame, &repo, &updates);
    record(app, frame, &repo, (updates, at)).await?;
    app.open_push(&repo.id, &frame.push);
    Ok(push)
}

/// Has the run of a push of one commit prepared while git moves the ref.
fn speculate(app: &AppState, frame: &IntentFrame, repo: &RepoRow, updates: &[RefUpdate]) {
    let ([update], Some(quarantine)) = (updates, &frame.quarantine) else { return };
    if frame.options.iter().any(|option| option == "ci.skip") {
        return;
    }
    let limits = RunLimits::of(&app.settings.get().limits);
    if let Some(what) = Speculation::new((&app.data, &limits), &repo.name, update, quarantine) {
        app.wake_if_idle(Wake::Announced(Box::new(what)));
    }
}

/// Writes the push and its intents into the database, with aliases of refs resolved.
async fn record(
    app: &AppState,
    frame: &IntentFrame,
    repo: &RepoRow,
    (updates, at): (Vec<RefUpdate>, Timestamp),
) -> Result<(), Problem> {
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
    recorded.await.map_err(unrecorded)?.map_err(unrecorded)
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
async fn repository(app: &AppState, git_dir: &str) -> Result<RepoRow, Problem> {
    let name = app.data.repo_name(Path::new(git_dir));
    let name = name.ok_or_else(|| {
        Problem::new(Code::PushInvalid, format!("{git_dir} is not a repository of this server"))
    })?;
    let found = app.repo(name.clone()).await.map_err(unrecorded)?;
    found.ok_or_else(|| {
        let problem = format!(
            "{name} is not adopted, or is a copy of another repository: its pushes cannot be recorded; run `quire repo adopt {name}`"
        );
        Problem::new(Code::RepoNotAdopted, problem)
    })
}

/// The repository that an intent is for. One that waited in the spool may have another name by now.
async fn repository_of(app: &AppState, frame: &IntentFrame) -> Result<RepoRow, Problem> {
    let Some(id) = frame.repo.clone() else { return repository(app, &frame.git_dir).await };
    let there = forge::read_identity(Path::new(&frame.git_dir)).map_err(unrecorded)?;
    if there.is_some_and(|there| there.id.to_string() == id) {
        return repository(app, &frame.git_dir).await;
    }
    match app.repo_of_id(id).await.map_err(unrecorded)? {
        Some(row) => Ok(row),
        None => repository(app, &frame.git_dir).await,
    }
}

/// Settles what a push has done; the lines that the pusher is to read. They begin at once, so that the hook knows that
/// somebody is there, however many refs there are to look at.
///
/// # Errors
/// When it is not a push to a repository of this server.
pub(crate) async fn report_push(
    app: AppState,
    frame: EventFrame,
) -> Result<mpsc::Receiver<Result<Vec<u8>, Infallible>>, Problem> {
    let updates = frame.parse().map_err(|error| invalid(&error))?;
    let repo = repository(&app, &frame.git_dir).await?;
    let (settled, reported) = oneshot::channel();
    let lines = push_report::start(
        app.clone(),
        frame.push.clone(),
        (frame.options.clone(), frame.command.clone()),
        reported,
    );
    // Not tied to the hook: a client that leaves does not stop what its push has begun.
    app.tasks.clone().spawn("a reported push", async move {
        let ended = settle_event(&app, &frame.push, &repo, updates).await;
        let _gone = settled.send(ended).is_err();
    });
    Ok(lines)
}

/// Settles what a hook says has happened; the default branch, if it has followed the push. The push counts as open until
/// then: what it reports decides about others that announced the same.
async fn settle_event(
    app: &AppState,
    push: &str,
    repo: &RepoRow,
    updates: Vec<RefUpdate>,
) -> Result<Option<RefName>, Problem> {
    app.open_push(&repo.id, push);
    let begun = std::time::Instant::now();
    let settled = settle_reported(app, push, repo, updates).await;
    app.metrics.push.observe(begun.elapsed());
    app.close_push(&repo.id, push);
    settled
}

async fn settle_reported(
    app: &AppState,
    push: &str,
    repo: &RepoRow,
    mut updates: Vec<RefUpdate>,
) -> Result<Option<RefName>, Problem> {
    resolve(&app.data.repo(&repo.name), &mut updates);
    // A server that was stopped for a moment finds the intent of this very push in its spool.
    drain_spool(app).await;
    let id = push.to_owned();
    let reopened = app.store.call(move |connection| store::reopen_push(connection, &id));
    let reopened = reopened.await.map_err(unrecorded)?.map_err(unrecorded)?;
    // A report of a push that was never announced proves nothing that the refs do not say themselves.
    let look = match reopened {
        Some(_) => Look::Reported { push: push.to_owned(), updates },
        None => Look::All,
    };
    let deadline = Instant::now() + RIVAL_PATIENCE;
    let mut default_branch = None;
    let settled = loop {
        let mut settled = app.settle(repo.clone(), look.clone()).await.map_err(unrecorded)?;
        default_branch = settled.default_branch.take().or(default_branch);
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
        closed.await.map_err(unrecorded)?.map_err(unrecorded)?;
    }
    Ok(default_branch)
}
