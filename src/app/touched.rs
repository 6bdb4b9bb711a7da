//! Which refs have moved since they were looked at: noted by the watcher of folders while a push is open, taken by whoever looks
//! next. All refs of a repository are looked at only when it is not known which have moved.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::RefName;

/// Refs of a repository that may have moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touched {
    /// Any.
    All,
    /// These.
    Refs(BTreeSet<RefName>),
}

/// Those of each repository, by its id.
#[derive(Debug, Clone, Default)]
pub(crate) struct TouchedRefs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    repos: HashMap<String, Touched>,
    /// Whether the folders of all repositories are watched.
    are_watched: bool,
}

impl Touched {
    /// None.
    pub(crate) fn none() -> Self {
        Self::Refs(BTreeSet::new())
    }

    /// Adds those of another.
    pub(crate) fn extend(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Refs(own), Self::Refs(others)) => own.extend(others),
        }
    }
}

impl TouchedRefs {
    /// Notes that these may have moved.
    pub(crate) fn add(&self, repo: &str, touched: Touched) {
        if touched == Touched::none() {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.repos.entry(repo.to_owned()).or_insert_with(Touched::none).extend(touched);
    }

    /// Takes what was noted; all when nobody watches.
    pub(crate) fn take(&self, repo: &str) -> Touched {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = state.repos.remove(repo);
        if state.are_watched { noted.unwrap_or_else(Touched::none) } else { Touched::All }
    }

    /// Notes whether the folders of all repositories are watched.
    pub(crate) fn set_watched(&self, are_watched: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).are_watched = are_watched;
    }
}
