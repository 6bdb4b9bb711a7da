//! Repositories: their folders, the updates of their refs, and the contents of commits.
//!
//! Decides which updates of refs have happened; assigns no ids and starts no runs. Everything blocks. Git is only
//! started to create a repository; refs and logs are read by parsers of our own, objects by libgit2.

mod adopt;
mod alignment;
mod baseline;
pub(crate) mod browse;
mod chain;
mod checkout;
mod claims;
mod commit_graph;
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

pub(crate) use adopt::{Adopted, adopt_from, adopt_in_place};
pub(crate) use baseline::read_baseline;
pub(crate) use commit_graph::write_commit_graph;
pub(crate) use copies::{RecordedNames, original_of};
pub(crate) use create::new_repo;
pub(crate) use default_branch::{find_branch, follow_first_push, set_default_branch};
pub(crate) use hooks::{HOOKS, install_hooks};
pub(crate) use identity::read_identity;
pub(crate) use kept_commit::{keep_commit, release_commit, release_other_commits};
pub(crate) use kept_workspace::KeptWorkspace;
pub(crate) use layout::{check_not_taken, find, hooks_dir};
pub(crate) use ledger::{Claim, Found, Keys, KeysChange, Recent, Report, Seen, Verdict, baseline, compare};
pub(crate) use list::{Listed, Problem, list_repos};
pub(crate) use look::{LogCursor, LogId, LogStart, Looked, look, names_to_look_at};
pub(crate) use look_error::LookError;
pub(crate) use old_names::{current_name, follow_rename};
pub(crate) use open::{Changes, Commit, MAX_PIPELINE_FILE, Repo, quarantine};
pub(crate) use read_error::ReadError;
pub(crate) use reflog::{LineInfo, LineKey, Mark};
pub(crate) use refs::{RefValue, Refs, head_branch};
pub(crate) use rename::rename_repo;
pub(crate) use repo_error::RepoError;
pub(crate) use run_folders::{
    Renamed, forget_moves, is_link_to_runs, move_runs, remove_links, undo_unrecorded,
};
#[cfg(test)]
use settings::has_stale_hooks_path;
pub(crate) use settings::{HARMLESS, apply_settings, are_settings_stale};
pub(crate) use starting_point::{PointError, PointName, find_point};
pub(crate) use trash::{remove_repo, restore_repo};
pub(crate) use watched::clear_leftovers;
pub(crate) use watched::{remove_watched, watched_copy};
pub(crate) use workflow::workflow_path;
pub(crate) use working_copy::{WorkingCopy, WorkingCopyError, checked_out_branch, copy_working_copy};
