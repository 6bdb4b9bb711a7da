//! What is open over ssh for a key: git's programs, which have its number in their environment, and commands of quire, which have it in
//! their arguments. It is ended when the key is removed.

use super::state::AppState;
use crate::config::DataDir;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Pid, Signal};

/// The variable with the number of the key, beside that of the data folder.
pub(crate) const KEY_VARIABLE: &str = "QUIRE_KEY";

/// Ends what is open for these keys. A push that is cut off before its refs move has moved none.
pub(super) async fn end_connections(app: &AppState, keys: Vec<i64>) {
    if keys.is_empty() {
        return;
    }
    let data = app.data.clone();
    let ended = tokio::task::spawn_blocking(move || {
        for pid in process::all().into_iter().filter(|pid| *pid != process::own_pid()) {
            // Held before it is looked at: a later process with its number is not meant.
            let Ok(Some(held)) = PidFd::open(pid) else { continue };
            if keys.iter().any(|key| is_for(pid, &data, *key)) && held.signal(Signal::TERM).is_ok() {
                tracing::info!(pid = pid.as_raw_pid(), "ended what was open for a key that was removed");
            }
        }
    });
    if let Err(error) = ended.await {
        tracing::error!(%error, "what is open for a key that was removed may not have been ended");
    }
}

/// Whether a process serves who has come with this key.
fn is_for(pid: Pid, data: &DataDir, key: i64) -> bool {
    let (folder, key) = (data.path().to_string_lossy(), key.to_string());
    let entries = [format!("QUIRE_DATA={folder}"), format!("{KEY_VARIABLE}={key}")];
    let words = ["exec", "--data", &*folder, "--key", &*key].map(str::as_bytes);
    process::environment_has(pid, &entries.each_ref().map(String::as_bytes))
        || process::has_arguments(pid, &words)
}
