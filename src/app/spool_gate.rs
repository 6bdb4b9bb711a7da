//! Whether the spool was read: until then nothing is settled that its intents may belong to.
//!
//! A push is distinguished from the next one to the same ref by its intent alone, and its options by nothing else: a run that
//! begins without the intent may be one that `ci.skip` was to prevent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// What is known of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpoolState {
    /// Read, but for files that hold up the repositories with these ids.
    Read(BTreeMap<String, String>),
    /// Not read: why.
    Unread(String),
}

/// The state of the spool, shared by all who settle.
#[derive(Debug, Clone)]
pub(crate) struct SpoolGate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<SpoolState>,
    changed: Notify,
}

impl Default for SpoolGate {
    fn default() -> Self {
        let state = Mutex::new(SpoolState::Unread("the spool was not read yet".to_owned()));
        Self(Arc::new(Shared { state, changed: Notify::new() }))
    }
}

impl SpoolGate {
    /// Notes what came of reading the spool; whether that is news.
    pub(crate) fn set(&self, state: SpoolState) -> bool {
        let mut known = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *known != state;
        *known = state;
        drop(known);
        self.0.changed.notify_one();
        is_news
    }

    /// Why a repository must not be settled now.
    pub(crate) fn problem(&self, repo: &str) -> Option<String> {
        match &*self.0.state.lock().unwrap_or_else(PoisonError::into_inner) {
            SpoolState::Read(held_up) => held_up.get(repo).cloned(),
            SpoolState::Unread(problem) => Some(problem.clone()),
        }
    }

    /// Whether everything in the spool was read.
    pub(crate) fn is_open(&self) -> bool {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(&*state, SpoolState::Read(held_up) if held_up.is_empty())
    }

    /// Waits until something is held up.
    pub(crate) async fn shut(&self) {
        while self.is_open() {
            self.0.changed.notified().await;
        }
    }
}
