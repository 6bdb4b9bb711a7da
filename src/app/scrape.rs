//! Metrics: what was counted, and what is looked up for a scrape.

use std::time::Duration;

use tokio::time::timeout;

use super::state::AppState;
use crate::metrics::LookedUp;
use crate::store;
use crate::sys::disk;

/// How long a scrape waits for the database, and for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// The metrics of the server, in the text format of Prometheus.
pub async fn scrape(app: &AppState) -> String {
    let is_ready = app.troubles().await.is_empty();
    let counted = app.store.call(|connection| {
        (store::count_unfinished(connection).ok(), store::count_messages(connection).ok())
    });
    let data = app.data.path().to_owned();
    let free = tokio::task::spawn_blocking(move || disk::free_bytes(&data).ok());
    // What does not answer in time is what makes the server not ready.
    let (counted, free) = tokio::join!(timeout(PATIENCE, counted), timeout(PATIENCE, free));
    let (runs, notifications) = counted.ok().and_then(Result::ok).unwrap_or_default();
    let disk_free = free.ok().and_then(Result::ok).flatten();
    app.metrics.render(&LookedUp { is_ready, disk_free, runs, notifications })
}
