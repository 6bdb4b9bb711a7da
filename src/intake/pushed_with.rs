//! What came with an update, and what there was before it: how many refs, how many runs, which commits are still needed.

use rusqlite::Transaction;

use super::objects::Objects;
use super::settle::Settling;
use crate::forge;
use crate::model::{RefName, Timestamp};
use crate::store::{self, Intent};

/// How far back the runs of a ref count, and those of refs that have moved without a push.
const MINUTE_MS: i64 = 60_000;

/// What else counts for the consequence of an update.
pub(super) struct PushedWith<'a> {
    /// The push options.
    pub(super) options: &'a [String],
    /// How many branches and tags the push updates, or have moved without a push within a minute.
    pub(super) refs: usize,
    /// Whether a push announced it.
    pub(super) is_announced: bool,
    /// Whether the ref has had as many runs within a minute as it may.
    pub(super) has_many_runs: bool,
}

/// What counts for the consequence of an update: what came with it, and what there was within a minute.
pub(super) fn pushed_with(
    transaction: &Transaction<'_>,
    settling: &Settling<'_>,
    (name, intent): (&RefName, Option<&Intent>),
) -> rusqlite::Result<PushedWith<'static>> {
    let (repo, limits) = (settling.repo.id.as_str(), settling.limits);
    let since = Timestamp::from_millis(settling.now.as_millis() - MINUTE_MS);
    let refs = match intent {
        Some(intent) => store::pushed_refs(transaction, &intent.push)?,
        None if settling.repo.is_watched() => 1,
        None => 1 + store::unannounced_runs(transaction, repo, since)?,
    };
    let max = limits.runs_per_minute;
    let has_many_runs = max > 0 && store::has_runs_since(transaction, (repo, name), since, max)?;
    Ok(PushedWith { options: &[], refs, is_announced: intent.is_some(), has_many_runs })
}

/// Keeps the commits of unfinished runs of a ref that leads to them no longer.
pub(super) fn keep_left_commits(
    transaction: &Transaction<'_>,
    settling: &Settling<'_>,
    objects: &mut Objects<'_>,
    (name, found): (&RefName, &forge::Found),
) -> rusqlite::Result<()> {
    if found.old.is_zero() {
        return Ok(());
    }
    let unfinished = store::unfinished_commits(transaction, &settling.repo.id, name)?;
    if unfinished.is_empty() || !objects.leaves(found.old, found.new) {
        return Ok(());
    }
    for (run, commit) in unfinished {
        if let Err(error) = forge::keep_commit(&settling.git_dir(), run, commit) {
            tracing::warn!(%error, "the commit {commit} of an unfinished run may be removed by git gc");
        }
    }
    Ok(())
}
