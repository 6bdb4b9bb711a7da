//! `quire doctor --reset-caches`: with a server that runs, that server does it, between two starts.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, UNIX_EPOCH};

use super::ask::{ask, in_folder};
use super::exit::{Code, Ended, Failure, print};
use crate::app::{CachesReset, Operation as _, ResetCaches, request_server};
use crate::config::DataDir;
use crate::sys::inotify::Inotify;

/// How long the server may take to be there again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server answers that cannot do all of its work.
const DEGRADED: u16 = 503;

/// Empties the caches.
pub(super) fn reset_caches(data: &DataDir) -> Ended {
    let before = socket(data);
    let answer = match ask(data, &ResetCaches {}) {
        Some(answer) => answer?,
        None => in_folder(data, async |app| ResetCaches {}.perform(app).await)?,
    };
    let cache = data.cache();
    match answer {
        CachesReset::Removed { files } => {
            print(&format!("removed {files} files of {}; no server runs\n", cache.display()));
        }
        CachesReset::Restarting { process } => {
            until_it_answers(data, before)?;
            let cache = cache.display();
            print(&format!("the server (process {process}) has emptied {cache} and started again\n"));
        }
    }
    Ok(Code::Done)
}

/// The socket of a server, or without one its folder of calls: each server makes it anew.
fn socket(data: &DataDir) -> Option<(u64, i64, i64)> {
    if let Ok(file) = data.socket().symlink_metadata() {
        return Some((file.ino(), file.ctime(), file.ctime_nsec()));
    }
    // Its other times change with each call.
    let folder = data.calls().symlink_metadata().ok()?;
    let made = folder.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((folder.ino(), i64::try_from(made.as_secs()).ok()?, made.subsec_nanos().into()))
}

/// Waits until the server is there again, with another socket.
fn until_it_answers(data: &DataDir, before: Option<(u64, i64, i64)>) -> Result<(), Failure> {
    let broken = |error: io::Error| Failure::broken(&error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let waited = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            let inotify = Inotify::new()?;
            inotify.watch(data.path())?;
            loop {
                if socket(data) != before {
                    let answer = request_server(data, ("GET", "/healthz", b""), PATIENCE);
                    if answer.is_ok_and(|answer| answer.status == 200 || answer.status == DEGRADED) {
                        return Ok(());
                    }
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
