//! Secret arguments of runs that have not ended: in the memory of the server alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;

use crate::model::RunId;

/// The secret arguments of one run, by their names.
type OfRun = BTreeMap<String, SecretString>;

/// The secret arguments of runs that have not ended.
#[derive(Debug, Clone, Default)]
pub struct JobSecrets(Arc<Mutex<HashMap<RunId, OfRun>>>);

impl JobSecrets {
    /// Keeps those of a run.
    pub(crate) fn keep(&self, run: RunId, secrets: BTreeMap<String, SecretString>) {
        if !secrets.is_empty() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run, secrets);
        }
    }

    /// Those of a run; none when the server was started after it was asked for the run.
    pub(crate) fn of(&self, run: RunId) -> BTreeMap<String, SecretString> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&run).cloned().unwrap_or_default()
    }

    /// Forgets those of a run that has ended.
    pub(crate) fn forget(&self, run: RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }
}
