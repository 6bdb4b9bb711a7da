//! Waits for each push until its receive-pack is gone, then settles what is left of it.

use tokio::sync::mpsc;

use crate::http::{App, Look, drain_spool};
use crate::model::chain;
use crate::store::{self, OpenPush, RepoRow};
use crate::sys::boot_id;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Pid};

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

/// Waits until receive-pack is gone; then tips and reflogs say what happened, and what did not happen is dropped.
async fn watch(app: App, push: OpenPush) {
    if let Some(process) = receive_pack(&push)
        && let Err(error) = process.dead().await
    {
        tracing::warn!(%error, "receive-pack cannot be watched; the push is settled now");
    }
    app.close_push(&push.repo, &push.push);
    drain_spool(&app).await;
    let repo = push.repo.clone();
    let found = app.store.call(move |connection| store::all_repos(connection)).await;
    let rows: Vec<RepoRow> = found.ok().and_then(Result::ok).unwrap_or_default();
    if let Some(row) = rows.into_iter().find(|row| row.id == repo)
        && let Err(problem) = app.settle(row, Look::All).await
    {
        tracing::error!(problem, push = push.push, "a push could not be settled; it stays open");
        return;
    }
    let id = push.push.clone();
    match app.store.call(move |connection| store::settle_push(connection, &id)).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(dropped)) => {
            tracing::info!(dropped, push = push.push, "ref updates were announced and did not happen")
        }
        Ok(Err(error)) => tracing::error!(problem = chain(&error), "a push could not be closed"),
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
