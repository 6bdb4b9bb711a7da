//! Reading a repository for people: revisions, folders, files, history, differences.
//!
//! Names come from addresses and are not trusted: a revision is the name of a branch or a tag, or the hexadecimal id of a
//! commit, and nothing else of what `git rev-parse` understands. Everything has a limit, and what was left out is said.
//! What is cheap is read by libgit2; [`git`] runs what is not, with a deadline and a limit of memory.

mod archive;
mod blame;
mod blob;
mod browse_error;
mod changed_entries;
mod commit_info;
mod compare;
mod diff;
mod file_log;
mod git;
mod history;
mod patch;
mod ref_list;
mod revision;
mod search;
mod submodules;
mod tree;
mod tree_path;
mod walk;

pub(crate) use archive::{ArchiveFormat, archive};
pub(crate) use blame::{Blame, blame};
pub(crate) use blob::{BlobText, MAX_SHOWN_FILE, RawBlob, raw_blob, read_blob, stream_blob};
pub(crate) use browse_error::BrowseError;
pub(crate) use changed_entries::{ChangedEntries, changed_entries};
pub(crate) use commit_info::{CommitInfo, Signature, commit_info};
pub(crate) use compare::compare_commits;
pub(crate) use diff::{ChangeKind, Diff, FileDiff, diff_commits};
pub(crate) use file_log::file_log;
pub(crate) use git::GitOutput;
pub(crate) use history::{MAX_FRONTIER, history};
pub(crate) use patch::{PatchFormat, patch};
pub(crate) use ref_list::{ListedRef, RefPage, list_refs};
pub(crate) use revision::{Revision, find_revision, split_revision};
pub(crate) use search::{Match, search};
pub(crate) use submodules::submodules;
pub(crate) use tree::{Entry, EntryKind, Listing, MAX_ENTRIES, list_tree};
pub(crate) use tree_path::TreePath;
