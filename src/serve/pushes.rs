//! Waits for each push until its receive-pack is gone, then settles what is left of it.

use std::time::Duration;

use tokio::sync::mpsc;

use super::backoff::Backoff;
use crate::http::{App, Look, Unsettled, drain_spool};
use crate::model::chain;
use crate::store::{self, OpenPush, RepoRow};
use crate::sys::boot_id;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Pid};

/// How long after a failure a push is settled, or the spool read, for the second time.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// The longest pause between two tries.
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Watches pushes for as long as anybody can name one.
pub(super) async fn watch_pushes(app: App, mut pushes: mpsc::Receiver<OpenPush>) {
    while let Some(push) = pushes.recv().await {
        tokio::spawn(watch(app.clone(), push));
    }
}

/// Takes up the pushes that an earlier server has left open.
pub(super) async fn recover_pushes(app: &App) {
    let open = app.store.call(|connection| store::open_pushes(connection)).await;
    for push in open.ok().and_then(Result::ok).unwrap_or_default() {
        app.open_push(&push.repo, &push.push);
        tokio::spawn(watch(app.clone(), push));
    }
}

/// Waits until receive-pack is gone; then tips and reflogs say what happened, and what did not happen is dropped. That is
/// repeated until it holds: nothing else closes a push.
async fn watch(app: App, push: OpenPush) {
    if let Some(process) = receive_pack(&push)
        && let Err(error) = process.dead().await
    {
        tracing::warn!(%error, "receive-pack cannot be watched; the push is settled now");
    }
    app.close_push(&push.repo, &push.push);
    let mut wait = Backoff::new(FIRST_RETRY, LAST_RETRY);
    loop {
        drain_spool(&app).await;
        match close(&app, &push).await {
            Ok(dropped) if dropped > 0 => {
                tracing::info!(dropped, push = push.push, "ref updates were announced and did not happen");
                return;
            }
            Ok(_) => return,
            Err(Unsettled::Spool(_)) => {}
            Err(Unsettled::Failed(problem)) => {
                tracing::error!(problem, push = push.push, "a push could not be settled; it is tried again");
            }
        }
        tokio::time::sleep(wait.next()).await;
    }
}

/// Settles the repository of a push that is over, and closes the push: how many of its updates did not happen.
async fn close(app: &App, push: &OpenPush) -> Result<usize, Unsettled> {
    let failed = |error: &dyn std::error::Error| Unsettled::Failed(chain(error));
    let found = app.store.call(|connection| store::all_repos(connection)).await;
    let rows: Vec<RepoRow> = found.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let mut unread = Vec::new();
    if let Some(row) = rows.into_iter().find(|row| row.id == push.repo) {
        unread = app.settle(row, Look::All).await?.unread;
    }
    let id = push.push.clone();
    let closed = app.store.call(move |connection| {
        // What the push did to a ref that could not be read is not known yet.
        let open = store::open_refs(connection, &id)?;
        match unread.into_iter().find(|unread| open.contains(&unread.name)) {
            Some(unread) => Ok(Err(Unsettled::Failed(unread.problem))),
            None => store::settle_push(connection, &id).map(Ok),
        }
    });
    closed.await.map_err(|error| failed(&error))?.map_err(|error: rusqlite::Error| failed(&error))?
}

/// Reads the spool again for as long as something in it could not be read, and looks at all repositories then.
pub(super) async fn retry_spool(app: App) {
    loop {
        app.spool.shut().await;
        let mut wait = Backoff::new(FIRST_RETRY, LAST_RETRY);
        while !app.spool.is_open() {
            tokio::time::sleep(wait.next()).await;
            drain_spool(&app).await;
        }
        tracing::info!("the spool was read; what waited for it is settled");
        let found = app.store.call(|connection| store::all_repos(connection)).await;
        for row in found.ok().and_then(Result::ok).unwrap_or_default() {
            let name = row.name.clone();
            if let Err(error) = app.settle(row, Look::All).await {
                tracing::error!(problem = chain(&error), repo = %name, "a repository could not be looked at");
            }
        }
    }
}

/// The receive-pack of a push, if it is still there: the process id alone says nothing.
fn receive_pack(push: &OpenPush) -> Option<PidFd> {
    if boot_id().ok()? != push.boot {
        return None;
    }
    let pid = i32::try_from(push.pid).ok().and_then(Pid::from_raw)?;
    let process = PidFd::open(pid).ok()??;
    (process::start_time(pid)? == push.started && !process.is_dead()).then_some(process)
}
