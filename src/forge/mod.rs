//! Repositories: their folders, the updates of their refs, and the contents of commits.
//!
//! Decides which updates of refs have happened; assigns no ids and starts no runs. Everything blocks. Git is only
//! started to create a repository; refs and logs are read by parsers of our own, objects by libgit2.

mod adopt;
mod alignment;
mod baseline;
mod chain;
mod checkout;
mod claims;
mod copies;
mod create;
mod default_branch;
#[cfg(test)]
mod default_branch_tests;
mod durable;
#[cfg(test)]
mod fixture;
mod hooks;
mod identity;
mod layout;
mod ledger;
#[cfg(test)]
mod ledger_tests;
mod list;
mod look;
mod look_error;
#[cfg(test)]
mod look_tests;
mod old_names;
mod open;
mod place_bound;
#[cfg(test)]
mod open_tests;
mod read_error;
mod reflog;
mod refs;
mod rename;
mod repo_error;
#[cfg(test)]
mod repo_tests;
mod run_folders;
mod settings;
mod starting_point;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod simulation_intents;
mod trash;
mod workflow;
#[cfg(test)]
mod workflow_tests;
mod kept_commit;
mod kept_workspace;
mod watched;
mod working_copy;

pub use adopt::{Adopted, adopt_from, adopt_in_place};
pub use baseline::read_baseline;
pub use checkout::CheckedOut;
pub use copies::{RecordedNames, original_of};
pub use create::new_repo;
pub use default_branch::{follow_first_push, set_default_branch};
pub use hooks::{HOOKS, install_hooks};
pub use identity::{Identity, RepoId, read_identity};
pub use kept_commit::{keep_commit, release_commit, release_other_commits};
pub use kept_workspace::{HeldWorkspace, KeptWorkspace};
pub use layout::{check_not_hosted, find, hooks_dir, repo_dir, repos_dir, runs_dir, trash_dir, watched_dir};
pub use ledger::{
    Bound, Claim, Found, How, Keys, KeysChange, MAX_RECENT, Recent, Report, Seen, Verdict, baseline, compare,
};
pub use list::{Listed, Problem, list_repos};
pub use look::{LogCursor, LogId, LogPart, LogStart, Look, Looked, log_refs, look, names_to_look_at};
pub use look_error::LookError;
pub use old_names::{current_name, follow_rename};
pub use open::{
    Changes, Commit, MAX_CHANGED_FILES, MAX_PIPELINE_BYTES, MAX_PIPELINE_FILE, PipelineFiles, Repo,
};
pub use place_bound::PlaceBound;
pub use read_error::ReadError;
pub use reflog::{Entry, Line, LineInfo, LineKey, Mark, parse_line, parse_log};
pub use refs::{RefList, RefValue, Refs, head_branch};
pub use rename::rename_repo;
pub use repo_error::RepoError;
pub use run_folders::{Renamed, is_link_to_runs, move_runs, remove_links};
#[cfg(test)]
use settings::has_stale_hooks_path;
pub use settings::{HARMLESS, apply_settings, are_settings_stale, wrong_settings};
pub use starting_point::{PointError, PointName, StartingPoint, find_point};
pub use trash::{TrashEntry, list_trash, remove_repo, restore_repo};
pub(crate) use watched::clear_leftovers;
pub use watched::{remove_watched, watched_copy};
pub use workflow::{WorkflowFile, workflow_path};
pub use working_copy::{
    CopyError, HeadCommit, WorkingCopy, WorkingCopyError, checked_out_branch, copy_working_copy,
};
