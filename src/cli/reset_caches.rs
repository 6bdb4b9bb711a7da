//! `quire doctor --reset-caches`: with a server that runs, that server does it, between two starts.

use std::io::{self, Read};
use std::time::Duration;

use super::exit::{Code, Ended, Failure, print};
use crate::app::{clear_caches, serves_without_socket};
use crate::config::DataDir;
use crate::sys::http_client;
use crate::sys::inotify::Inotify;
use crate::sys::lock::{self, LockFile};

/// How long the server may take to stop, and then to be there again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server answers that has no place for a request now, or cannot do all of its work.
const BUSY: u16 = 503;

/// The most of the server's answer that is read, in bytes.
const MAX_ANSWER: u64 = 4096;

/// Empties the caches.
pub(super) fn reset_caches(data: &DataDir) -> Ended {
    let lock = LockFile::try_acquire(&data.server_lock()).map_err(|error| Failure::broken(&error))?;
    let Some(lock) = lock else { return through_the_server(data) };
    let count = clear_caches(&data.cache()).map_err(|error| Failure::broken(&error))?;
    drop(lock);
    print(&format!("removed {count} files of {}; no server runs\n", data.cache().display()));
    Ok(Code::Done)
}

fn through_the_server(data: &DataDir) -> Ended {
    let pid = lock::holder_pid(&data.server_lock()).ok().flatten();
    let process = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    let by_hand = |problem: String| {
        Failure::new(Code::Broken, problem)
            .hint(format!("stop it{process} the way it was started, run this again, and start it again"))
    };
    if serves_without_socket(data) {
        return Err(by_hand("the server of this data folder has no socket to be asked over".to_owned()));
    }
    let answer = http_client::request(&data.socket(), "POST", "/reset-caches", b"", PATIENCE);
    let mut answer = answer.map_err(|error| by_hand(format!("the server does not answer: {error}")))?;
    if answer.status == BUSY {
        return Err(Failure::new(Code::Broken, "the server is busy").hint("run this again in a moment"));
    }
    if answer.status != 200 {
        return Err(by_hand(format!(
            "the server does not know how to do that (it answers {})",
            answer.status
        )));
    }
    // The answer ends when the server does.
    match answer.body.by_ref().take(MAX_ANSWER).read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(by_hand("the server does not stop".to_owned()));
        }
        Ok(_) | Err(_) => {}
    }
    until_it_answers(data)?;
    print(&format!("the server{process} has emptied {} and started again\n", data.cache().display()));
    Ok(Code::Done)
}

/// Waits until the server is there again: it makes its socket anew.
fn until_it_answers(data: &DataDir) -> Result<(), Failure> {
    let broken = |error: io::Error| Failure::broken(&error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let waited = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            let inotify = Inotify::new()?;
            inotify.watch(data.path())?;
            loop {
                let answer = http_client::request(&data.socket(), "GET", "/healthz", b"", PATIENCE);
                // One that cannot do all of its work is there as well.
                if answer.is_ok_and(|answer| answer.status == 200 || answer.status == BUSY) {
                    return Ok(());
                }
                inotify.changes().await?;
            }
        })
        .await
    });
    match waited {
        Ok(waited) => waited.map_err(broken),
        Err(_) => Err(Failure::new(Code::Broken, "the server stopped and did not start again")
            .hint("its log says why; start it again")),
    }
}
