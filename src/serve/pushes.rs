//! Waits for each push until its receive-pack is gone, then settles what is left of it.

use std::io;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::backoff::Backoff;
use crate::app::{AppState, AuditEntry, Look, Unsettled, drain_spool};
use crate::intake::Settled;
use crate::model::{AuditAction, RefName, chain, first_of};
use crate::store::{self, OpenPush, RepoRow};
use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Pid};
use crate::sys::{boot_id, clock, pid_namespace};

/// How long after a failure a push is settled, or the spool read, for the second time.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// The longest pause between two tries.
const LAST_RETRY: Duration = Duration::from_secs(30);

/// The most refs that the line about a refused push names.
const MAX_NAMED: usize = 5;

/// How long after its announcement a push may move its refs whose receive-pack cannot be seen. Git moves them as soon as
/// its hook has answered.
const MAX_UNSEEN: Duration = Duration::from_secs(600);

/// Watches pushes for as long as anybody can name one.
pub(super) async fn watch_pushes(app: AppState, mut pushes: mpsc::Receiver<OpenPush>) {
    while let Some(push) = pushes.recv().await {
        app.tasks.spawn("a push", watch(app.clone(), push));
    }
}

/// Takes up the pushes that an earlier server has left open.
pub(super) async fn recover_pushes(app: &AppState) {
    for push in read(app, "the open pushes", store::open_pushes).await {
        app.open_push(&push.repo, &push.push);
        app.tasks.spawn("a push", watch(app.clone(), push));
    }
}

/// Reads rows; tries again until they can be read or the server stops.
async fn read<T: Send + 'static>(
    app: &AppState,
    what: &'static str,
    rows: fn(&Connection) -> rusqlite::Result<Vec<T>>,
) -> Vec<T> {
    let mut wait = Backoff::new(FIRST_RETRY, LAST_RETRY);
    loop {
        match app.store.call(move |connection| rows(connection)).await {
            Ok(Ok(rows)) => return rows,
            Ok(Err(error)) => tracing::error!(%error, "could not read {what}; retrying"),
            Err(_) => return Vec::new(),
        }
        tokio::time::sleep(wait.next()).await;
    }
}

/// Waits until receive-pack is gone; then tips and reflogs say what happened, and what did not happen is dropped. That is
/// repeated until it holds: nothing else closes a push.
async fn watch(app: AppState, push: OpenPush) {
    let mut wait = Backoff::of_runs();
    let found = loop {
        match receive_pack(&push) {
            Ok(found) => break found,
            Err(error) => {
                tracing::warn!(%error, push = push.push, "receive-pack cannot be watched; retrying");
            }
        }
        tokio::time::sleep(wait.next()).await;
    };
    match found {
        ReceivePack::Alive(process) => {
            if let Err(error) = process.dead().await {
                tracing::warn!(%error, "receive-pack cannot be watched; the push is settled now");
            }
        }
        ReceivePack::Gone => {}
        ReceivePack::Unseen => wait_unseen(&app, &push).await,
    }
    app.close_push(&push.repo, &push.push);
    let mut wait = Backoff::new(FIRST_RETRY, LAST_RETRY);
    loop {
        drain_spool(&app).await;
        match close(&app, &push).await {
            Ok(refused) => {
                if !refused.is_empty() {
                    let names = first_of(refused.iter().map(RefName::short), MAX_NAMED);
                    tracing::info!(
                        push = push.push,
                        "a push was refused or broken off, and did not move {names}"
                    );
                }
                return;
            }
            Err(Unsettled::Spool(_)) => {}
            Err(Unsettled::Failed(problem)) => {
                tracing::error!(problem, push = push.push, "a push could not be settled; it is tried again");
            }
            Err(Unsettled::Undecided(rivals)) => {
                app.until_one_is_over(&push.repo, &rivals).await;
                continue;
            }
        }
        tokio::time::sleep(wait.next()).await;
    }
}

/// Settles what a push that is over has announced, with what has moved meanwhile, and closes the push: which refs did not move.
async fn close(app: &AppState, push: &OpenPush) -> Result<Vec<RefName>, Unsettled> {
    let touched = app.touched.take(&push.repo);
    let settled = settle_repository(app, push, touched.clone().into()).await;
    let Settled { unread, undecided, .. } = settled.inspect_err(|_| app.touched.add(&push.repo, touched))?;
    let id = push.push.clone();
    let closed = app.store.call(move |connection| {
        // What the push did to a ref that could not be read is not known yet.
        let open = store::open_refs(connection, &id)?;
        if let Some(undecided) = undecided.into_iter().find(|undecided| open.contains(&undecided.name)) {
            return Ok(Err(Unsettled::Undecided(undecided.open)));
        }
        match unread.into_iter().find(|unread| open.contains(&unread.name)) {
            Some(unread) => Ok(Err(Unsettled::Failed(unread.problem))),
            None => {
                if !open.is_empty() {
                    audit_refused(connection, &id, &open)?;
                }
                store::settle_push(connection, &id).map(|_| Ok(open))
            }
        }
    });
    closed.await.map_err(|error| failed(&error))?.map_err(|error: rusqlite::Error| failed(&error))?
}

/// Records in the audit that git has refused a push, or that it was broken off.
fn audit_refused(connection: &Connection, push: &str, refs: &[RefName]) -> rusqlite::Result<()> {
    let (repo, pusher) = store::push_origin(connection, push)?;
    AuditEntry::by_user(pusher.as_deref(), AuditAction::PushRefused)
        .on(repo)
        .with("reason", "git refused it, or it was broken off")
        .with("refs", first_of(refs.iter().map(RefName::short), MAX_NAMED))
        .insert(connection)
}

/// Settles the repository of a push, if it is still there.
async fn settle_repository(app: &AppState, push: &OpenPush, look: Look) -> Result<Settled, Unsettled> {
    let found = app.store.call(|connection| store::all_repos(connection)).await;
    let rows: Vec<RepoRow> = found.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    match rows.into_iter().find(|row| row.id == push.repo) {
        Some(row) => app.settle(row, look).await,
        None => Ok(Settled::default()),
    }
}

fn failed(error: &dyn std::error::Error) -> Unsettled {
    Unsettled::Failed(chain(error))
}

/// Reads the spool again for as long as something in it could not be read, and looks at all repositories then.
pub(super) async fn retry_spool(app: AppState) {
    loop {
        app.spool.shut().await;
        let mut wait = Backoff::new(FIRST_RETRY, LAST_RETRY);
        while !app.spool.is_open() {
            tokio::time::sleep(wait.next()).await;
            drain_spool(&app).await;
        }
        tracing::info!("the spool was read; what waited for it is settled");
        for row in read(&app, "the repositories", store::all_repos).await {
            let name = row.name.clone();
            if let Err(error) = app.settle(row, Look::All).await {
                tracing::error!(problem = chain(&error), repo = %name, "a repository could not be looked at");
            }
        }
    }
}

/// Waits for as long as a push whose receive-pack cannot be seen may still move its refs. Until then whatever moves them is
/// settled as it is seen, with what this push announced.
async fn wait_unseen(app: &AppState, push: &OpenPush) {
    let age = u64::try_from(clock::now().as_millis() - push.at.as_millis()).unwrap_or(0);
    let rest = MAX_UNSEEN.saturating_sub(Duration::from_millis(age));
    if rest.is_zero() {
        return;
    }
    app.unseen.add(&push.push);
    app.close_push(&push.repo, &push.push);
    tracing::info!(
        push = push.push,
        "receive-pack cannot be seen from here; what it announced is kept until it reports, at most {} minutes",
        MAX_UNSEEN.as_secs() / 60
    );
    if let Err(Unsettled::Failed(problem)) = settle_repository(app, push, Look::All).await {
        tracing::error!(
            problem,
            push = push.push,
            "a push could not be settled; it is tried again when its time is over"
        );
    }
    tokio::time::sleep(rest).await;
    app.unseen.take(&push.push);
}

/// Where the receive-pack of a push is.
enum ReceivePack {
    Alive(PidFd),
    Gone,
    /// It may be alive: its number means nothing here.
    Unseen,
}

/// The receive-pack of a push: the process id alone says nothing.
///
/// # Errors
/// The system cannot say now: it has no descriptor left, for example. That says nothing about the process.
fn receive_pack(push: &OpenPush) -> io::Result<ReceivePack> {
    let is_of_here = namespace_of(&push.push).is_none_or(|namespace| Some(namespace) == pid_namespace())
        && boot_id()? == push.boot;
    let pid = i32::try_from(push.pid).ok().and_then(Pid::from_raw).filter(|_| is_of_here);
    let Some(pid) = pid else { return Ok(ReceivePack::Unseen) };
    let Some(process) = PidFd::open(pid)? else { return Ok(ReceivePack::Gone) };
    // What another user runs is hidden where `/proc` is mounted so; its descriptor reports its end all the same.
    let is_it = process::start_time(pid).is_none_or(|started| started == push.started);
    Ok(if is_it && !process.is_dead() { ReceivePack::Alive(process) } else { ReceivePack::Gone })
}

/// The namespace of process ids in the id of a push; nothing in those of older hooks.
fn namespace_of(push: &str) -> Option<u64> {
    push.split('-').nth(3)?.parse().ok()
}
