//! The end of the server as those see it who wait for a run: they read that it stops before it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long the server waits until the last words were sent.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Whether the server stops. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopping(Arc<watch::Sender<bool>>);

/// Somebody who waits, for as long as this is held.
#[derive(Debug, Clone)]
pub(crate) struct Waiter(watch::Receiver<bool>);

impl Stopping {
    /// Registers somebody who waits.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter(self.0.subscribe())
    }

    /// Reports to all who wait that the server stops, and lets them send their last words.
    pub(crate) async fn announce(&self) {
        self.0.send_replace(true);
        if timeout(LAST_WORDS, self.0.closed()).await.is_err() {
            tracing::warn!(
                waiting = self.0.receiver_count(),
                "a push that waits may not read that the server stops"
            );
        }
    }
}

impl Waiter {
    /// Waits until the server stops.
    pub(crate) async fn until_stopping(&mut self) {
        if self.0.wait_for(|stops| *stops).await.is_err() {
            // The server is gone without a word.
            std::future::pending::<()>().await;
        }
    }
}
