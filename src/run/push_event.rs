//! What `:quire/push` gives to a job.

use serde_json::{Value, json};

use super::objects::Pushed;
use crate::event::RefUpdate;
use crate::model::RefKind;

/// A push, as the spec of a run has it.
#[derive(Debug, Clone)]
pub struct PushEvent<'a> {
    pub(crate) update: &'a RefUpdate,
    pub(crate) pusher: Option<&'a str>,
    pub(crate) repo: &'a str,
    pub(crate) git_dir: &'a str,
    /// When: RFC 3339.
    pub(crate) pushed_at: &'a str,
}

impl PushEvent<'_> {
    /// The outputs of `:quire/push`, for what was pushed. Keys without a value are absent.
    pub(crate) fn outputs(&self, pushed: &Pushed) -> Value {
        let RefUpdate { ref_name, old, .. } = self.update;
        let Pushed { commit, is_forced, changed } = pushed;
        let (name, is_created) = (ref_name.short(), old.is_zero());
        let kind = ref_name.kind();
        json!({
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
            "files-changed": changed.paths,
            "files-truncated": changed.truncated,
            "forced": is_forced,
            "created": is_created,
            "deleted": false,
        })
    }
}
