//! What is known of the runs that have not ended, for everybody who waits for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::journal::RunRecord;
use crate::model::RunId;

/// The records of the unfinished runs. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LiveRuns(Arc<Mutex<HashMap<RunId, watch::Sender<Arc<RunRecord>>>>>);

impl LiveRuns {
    /// Begins to keep the record of a run.
    pub fn open(&self, run: RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(run).or_default();
    }

    /// Publishes what is known of a run.
    pub fn publish(&self, run: RunId, record: &RunRecord) {
        if let Some(live) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&run) {
            live.send_replace(Arc::new(record.clone()));
        }
    }

    /// The record of a run that has ended is not kept any longer; whoever waits for it sees that it is over.
    pub fn close(&self, run: RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// Follows the record of a run; nothing when the run has ended.
    pub fn follow(&self, run: RunId) -> Option<watch::Receiver<Arc<RunRecord>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&run).map(watch::Sender::subscribe)
    }
}
