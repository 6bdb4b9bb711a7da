//! The rules of a repository for itself: `.quire/config.fnl` of its default branch, which is data.

use std::path::Path;

use crate::config::{MAX_REPO_CONFIG, NotifyRule, NotifySettings, REPO_CONFIG, read_repo_rules};
use crate::forge::{RefValue, Refs, Repo, head_branch};
use crate::model::{CommitId, RepoName, chain, render_all};

/// The valid rules of a repository, and what is wrong with the others. Nothing is read unless the operator has declared a target
/// for it. Blocks.
pub(super) fn own_rules(
    git_dir: &Path,
    repo: &RepoName,
    settings: &NotifySettings,
) -> (Vec<NotifyRule>, Option<String>) {
    let targets = settings.targets_of(repo);
    if targets.is_empty() {
        return (Vec::new(), None);
    }
    match read(git_dir) {
        Ok(None) => (Vec::new(), None),
        Ok(Some(text)) => {
            let (rules, wrong) = read_repo_rules(&text, repo, &targets);
            (rules, (!wrong.is_empty()).then(|| render_all(&wrong)))
        }
        Err(problem) => (Vec::new(), Some(problem)),
    }
}

fn read(git_dir: &Path) -> Result<Option<Vec<u8>>, String> {
    let Some(tip) = default_tip(git_dir)? else { return Ok(None) };
    let repo = Repo::open(git_dir).map_err(|error| chain(&error))?;
    repo.file(tip, REPO_CONFIG, MAX_REPO_CONFIG).map_err(|error| chain(&error))
}

/// The commit of the default branch.
fn default_tip(git_dir: &Path) -> Result<Option<CommitId>, String> {
    let Some(branch) = head_branch(git_dir) else { return Ok(None) };
    let mut refs = Refs::of(git_dir);
    let name = refs.resolve(&branch).map_err(|error| chain(&error))?;
    match refs.value(&name).map_err(|error| chain(&error))? {
        RefValue::Direct(id) => Ok(Some(id)),
        RefValue::Symbolic(_) | RefValue::Missing => Ok(None),
    }
}
