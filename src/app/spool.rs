//! Taking in what hooks have left in the spool.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use tokio::sync::{mpsc, oneshot};

use super::problem::{Code, Problem};
use super::pushes::{announce, take_intent};
use super::spool_gate::SpoolState;
use super::state::AppState;
use crate::intake::{Drained, IntentFrame};
use crate::store::OpenPush;

/// Takes what hooks have left in the spool, and has these pushes watched. What cannot be taken now stays there.
pub(crate) async fn drain_spool(app: &AppState) {
    for push in take_spool(app).await {
        announce(app, push).await;
    }
}

/// Records everything that is in the spool. All of it, before anything is settled: a push is distinguished from the next one
/// to the same ref by its intent alone. What could not be read holds up its repository, or all ([`SpoolGate`]).
///
/// [`SpoolGate`]: super::spool_gate::SpoolGate
pub(crate) async fn take_spool(app: &AppState) -> Vec<OpenPush> {
    type Asked = (IntentFrame, oneshot::Sender<io::Result<()>>);
    let _one_at_a_time = app.draining.lock().await;
    let folder = app.data.spool();
    let (sender, mut receiver) = mpsc::channel::<Asked>(1);
    let draining = tokio::task::spawn_blocking(move || {
        crate::intake::drain::<io::Error>(&folder, |frame| {
            let (answer, taken) = oneshot::channel();
            let sent = sender.blocking_send((frame, answer)).is_ok();
            let taken = if sent { taken.blocking_recv().ok() } else { None };
            taken.unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))
        })
    });
    let mut pushes = Vec::new();
    while let Some((mut frame, answer)) = receiver.recv().await {
        find_moved(app, &mut frame);
        let taken = match take_intent(app, &frame).await {
            Ok(push) => {
                pushes.push(push);
                Ok(())
            }
            Err(Problem { code: Code::PushInvalid | Code::RepoNotAdopted, text, .. }) => {
                tracing::error!(
                    problem = text,
                    push = frame.push,
                    "a spooled push belongs to no repository and is dropped"
                );
                Ok(())
            }
            Err(problem) => {
                Err(io::Error::other(format!("push {} could not be recorded: {problem}", frame.push)))
            }
        };
        let _waits = answer.send(taken).is_err();
    }
    let drained = draining.await.map_err(io::Error::other).and_then(|drained| drained);
    note(app, drained);
    pushes
}

/// Puts the path that the repository has by now into an intent that names none of this data folder: the folder was
/// moved. Version 0.1.0 left the path alone, without the id of the repository.
fn find_moved(app: &AppState, frame: &mut IntentFrame) {
    let git_dir = Path::new(&frame.git_dir);
    if frame.repo.is_none() && app.data.repo_name(git_dir).is_none() {
        let moved = app.data.moved_repository(git_dir);
        if let Some(path) = moved.and_then(|path| path.into_os_string().into_string().ok()) {
            frame.git_dir = path;
        }
    }
}

/// Notes what came of reading the spool, and logs it when it is news.
fn note(app: &AppState, drained: io::Result<Drained>) {
    let folder = app.data.spool();
    let state = match &drained {
        Ok(Drained { unread, .. }) => state_of(&folder, unread),
        Err(error) => {
            SpoolState::Unread(format!("the spool {} could not be read: {error}", folder.display()))
        }
    };
    let problem = match &state {
        SpoolState::Unread(problem) => Some(problem.clone()),
        SpoolState::Read(held_up) => held_up.values().next().cloned(),
    };
    if let (true, Some(problem)) = (app.spool.set(state), problem) {
        tracing::error!(
            problem,
            "nothing that the spool may hold is settled until it was read; quire doctor has the details"
        );
    }
    for path in drained.map(|drained| drained.foreign).unwrap_or_default() {
        tracing::warn!(path = %path.display(), "a file in the spool is not an intent; it was renamed to .foreign");
    }
}

/// The state of a spool in which these files could not be read. One that names no repository may belong to any.
fn state_of(folder: &Path, unread: &[crate::intake::Unread]) -> SpoolState {
    let mut held_up = BTreeMap::new();
    for file in unread {
        let name = file.path.strip_prefix(folder).unwrap_or(&file.path).display();
        let problem = format!("spool/{name} could not be read: {}", file.problem);
        match &file.repo {
            Some(repo) => drop(held_up.insert(repo.clone(), problem)),
            None => return SpoolState::Unread(problem),
        }
    }
    SpoolState::Read(held_up)
}
