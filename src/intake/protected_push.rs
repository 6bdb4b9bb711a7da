//! The look at a push that moves protected refs. It costs nothing when it moves none: then nothing is read.

use std::path::Path;

use rusqlite::Connection;

use super::protection::{Evidence, refusal};
use crate::config::{ConfigError, DataDir, Settings, first_place, load};
use crate::event::RefUpdate;
use crate::forge::{Refs, Repo, quarantine};
use crate::model::{CommitId, JobId, RefName, RepoName, chain};
use crate::store;

/// What a settings file that protects something must hold.
const WORD: &[u8] = b"protected";

/// A push, as `pre-receive` knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProtectedPush<'a> {
    /// The repository.
    pub(crate) repo: &'a RepoName,
    /// Its folder.
    pub(crate) git_dir: &'a Path,
    /// Where git keeps the objects of the push until it is accepted (git-receive-pack(1), "quarantine environment").
    pub(crate) quarantine: Option<&'a str>,
    /// What it is about to do.
    pub(crate) updates: &'a [RefUpdate],
}

/// Whether rules protect anything in a repository.
pub(crate) fn is_protected(settings: &Settings, repo: &RepoName) -> bool {
    settings.protected.iter().flat_map(|rule| &rule.repos).any(|pattern| pattern.matches(repo))
}

/// Why a push is refused, in one line. Names that are aliases of refs are judged as these. Blocking.
pub(crate) fn refuse_protected(
    connection: &Connection,
    settings: &Settings,
    push: ProtectedPush<'_>,
) -> Option<String> {
    let mut refs = Refs::of(push.git_dir);
    let mut updates = push.updates.to_vec();
    for update in push.updates {
        // What cannot be read is judged by the name that was given.
        if let Ok(ref_name) = refs.resolve(&update.ref_name) {
            updates.push(RefUpdate { ref_name, ..update.clone() });
        }
    }
    let mut evidence = Files { connection, push, opened: None };
    refusal(&settings.protected, push.repo, &updates, &mut evidence)
}

/// Why a push is refused while nobody knows which refs are protected.
pub(crate) fn unknown_protection(why: &str) -> String {
    format!("{why}, so it is not known whether this push moves a protected ref; nothing was changed")
}

/// The same where no server answers: by the settings and the database as they are on disk. Blocking.
pub(super) fn refuse_without_server(data: &DataDir, push: ProtectedPush<'_>) -> Option<String> {
    let text = std::fs::read(data.config()).unwrap_or_default();
    // Every push to a server that is down comes here, and almost no file protects anything.
    if !text.windows(WORD.len()).any(|window| window == WORD) {
        return None;
    }
    let unknown = |why: &str| Some(unknown_protection(why));
    let settings = match load(&data.config()) {
        Ok(settings) => settings,
        Err(ConfigError::Wrong(wrong)) => return unknown(&format!("{} cannot be used", first_place(&wrong))),
        Err(ConfigError::Read { .. }) => return unknown("config.fnl cannot be read"),
    };
    if !is_protected(&settings, push.repo) {
        return None;
    }
    match store::open_read_only(&data.database()) {
        Ok(connection) => refuse_protected(&connection, &settings, push),
        Err(_) => unknown("the database cannot be read"),
    }
}

/// The repository with the objects of the push, and the index of runs.
struct Files<'a> {
    connection: &'a Connection,
    push: ProtectedPush<'a>,
    opened: Option<Repo>,
}

impl Files<'_> {
    fn repo(&mut self) -> Result<&Repo, String> {
        if self.opened.is_none() {
            let repo = Repo::open(self.push.git_dir).map_err(|error| chain(&error))?;
            if let Some(objects) = self.push.quarantine.and_then(|said| quarantine(self.push.git_dir, said)) {
                repo.also_read(&objects).map_err(|error| chain(&error))?;
            }
            self.opened = Some(repo);
        }
        self.opened.as_ref().ok_or_else(|| "the repository is closed".to_owned())
    }
}

impl Evidence for Files<'_> {
    fn contains(&mut self, new: CommitId, old: CommitId) -> Result<bool, String> {
        self.repo()?.is_ancestor(old, new).map_err(|error| chain(&error))
    }

    fn has_passed(&mut self, job: &JobId, commit: CommitId, not_on: &RefName) -> Result<bool, String> {
        store::has_passed(self.connection, self.push.repo, (job, commit, not_on))
            .map_err(|error| error.to_string())
    }
}
