//! What `:quire/push` gives to a job.

use serde_json::{Value, json};

use crate::event::RefUpdate;
use crate::forge::{ReadError, Repo};
use crate::model::RefKind;

/// A push, as the spec of a run has it.
#[derive(Debug, Clone)]
pub struct PushEvent<'a> {
    /// The ref update.
    pub update: &'a RefUpdate,
    /// The pusher.
    pub pusher: Option<&'a str>,
    /// The repository.
    pub repo: &'a str,
    /// Its folder.
    pub git_dir: &'a str,
    /// When: RFC 3339.
    pub pushed_at: &'a str,
}

impl PushEvent<'_> {
    /// The outputs of `:quire/push`. Keys without a value are absent.
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub fn outputs(&self, repo: &Repo) -> Result<Value, ReadError> {
        let RefUpdate { ref_name, old, new } = self.update;
        let commit = repo.commit(*new)?;
        let name = ref_name.short();
        let is_created = old.is_zero();
        // An old value that is gone (force-pushed away and pruned) is not an ancestor, and nothing can be compared with it.
        let is_forced = !is_created && !repo.is_ancestor(*old, commit.id).unwrap_or(false);
        let changed = repo.changed_files(*old, commit.id).map(|changes| changes.paths).unwrap_or_default();
        let kind = ref_name.kind();
        Ok(json!({
            "sha": commit.id.to_string(),
            "ref": ref_name.to_string(),
            "branch": (kind == RefKind::Branch).then_some(&name),
            "tag": (kind == RefKind::Tag).then_some(&name),
            "previous-sha": (!is_created).then(|| old.to_string()),
            "pusher": self.pusher,
            "repo": self.repo,
            "git-dir": self.git_dir,
            "pushed-at": self.pushed_at,
            "commit-message": commit.message,
            "files-changed": changed,
            "forced": is_forced,
            "created": is_created,
            "deleted": false,
        }))
    }
}
