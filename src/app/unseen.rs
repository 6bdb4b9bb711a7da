//! Pushes whose receive-pack cannot be seen from here: it runs in another namespace of process ids, on another machine, or
//! is hidden. Unseen is not dead: what such a push announced is kept until it reports, its refs move, or its time is over.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The ids of such pushes.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnseenPushes(Arc<Mutex<HashSet<String>>>);

impl UnseenPushes {
    /// Notes one.
    pub(crate) fn add(&self, push: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(push.to_owned());
    }

    /// All of them.
    pub(crate) fn all(&self) -> HashSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets one; whether it was noted.
    pub(crate) fn take(&self, push: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(push)
    }
}
