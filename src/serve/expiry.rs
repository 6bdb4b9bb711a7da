//! Removes the files of artifacts that have expired, at the start of the server and every hour.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use crate::app::{AppState, Problem};
use crate::artifact::ArtifactStore;
use crate::journal::{ArtifactRecord, RunRecord};
use crate::model::{Progress, RunId, Timestamp, chain};
use crate::store;
use crate::sys::clock;

/// The time between two looks.
const EVERY: Duration = Duration::from_secs(3_600);

/// The most runs of one look at the database.
const BATCH: u32 = 100;

/// Removes what expires, as long as the server runs.
pub(super) async fn remove_expired(app: AppState) {
    loop {
        match remove_batch(&app).await {
            Ok(count) if count == BATCH as usize => continue,
            Ok(_) => {}
            Err(problem) => tracing::warn!(%problem, "artifacts that have expired are not removed"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Removes the expired files of some runs; gives how many runs were settled.
async fn remove_batch(app: &AppState) -> Result<usize, Problem> {
    let now = clock::now();
    let rows = app.store.read(move |connection| store::runs_with_expired(connection, now, BATCH)).await??;
    let mut settled = 0;
    for row in rows.into_iter().filter(|row| row.state == Progress::Finished) {
        let (run_dir, id, name) =
            (app.data.run(&row.repo, row.number), row.id, format!("{}#{}", row.repo, row.number));
        let next = app.block(move || {
            sweep(&run_dir, id, now).map_err(|why| {
                tracing::warn!(run = name, "artifacts that have expired are not removed: {why}");
                Problem::new(crate::app::Code::RunUnreadable, why)
            })
        });
        // What cannot be removed now is tried at the next reindex: it is not given to anybody.
        let next = next.await.unwrap_or_default();
        app.store
            .call(move |connection: &mut rusqlite::Connection| {
                store::set_artifact_expiry(connection, row.seq, next)
            })
            .await??;
        settled += 1;
    }
    Ok(settled)
}

/// Removes the expired files of a run; gives when the next one expires. Blocking.
fn sweep(run_dir: &Path, id: RunId, now: Timestamp) -> Result<Option<i64>, String> {
    // Its repository may be in the trash, and another one have its place.
    if RunRecord::id_in(run_dir).map_err(|error| chain(&error))? != Some(id.to_string()) {
        return Ok(None);
    }
    let record = RunRecord::try_read(run_dir).map_err(|error| chain(&error))?;
    let kept: Vec<&ArtifactRecord> = record
        .artifacts
        .iter()
        .map(|(_, artifact)| artifact)
        .filter(|artifact| !artifact.has_expired(now))
        .collect();
    let digests: HashSet<&str> = kept.iter().map(|artifact| artifact.sha256.as_str()).collect();
    ArtifactStore::of(run_dir).sweep(&digests).map_err(|error| error.to_string())?;
    Ok(kept.iter().filter_map(|artifact| artifact.expires_ms).min())
}
