//! The differences between two commits.

use std::time::{Duration, Instant};

use super::browse_error::BrowseError;
use super::tree_path::TreePath;
use crate::forge::open::Repo;
use crate::model::CommitId;

/// The most files that are listed, and the most whose lines are shown.
const MAX_FILES: usize = 1_000;
const MAX_FILES_WITH_LINES: usize = 200;

/// The most lines that are shown, of all files and of one.
const MAX_LINES: usize = 10_000;
const MAX_LINES_OF_FILE: usize = 3_000;

/// The most bytes of lines that are shown, and of one line.
const MAX_BYTES: usize = 1 << 20;
const MAX_LINE: usize = 2_000;

/// The largest file that is compared, in bytes.
const MAX_COMPARED: i64 = 1 << 20;

/// The longest that files are compared.
const MAX_TIME: Duration = Duration::from_secs(3);

/// How many files renames are looked for among.
const MAX_RENAMES: usize = 200;

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Deleted,
    Modified,
    Renamed,
    /// Its mode, or what it is.
    Type,
}

/// A line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiffLine {
    /// `+`, `-` or a space.
    pub(crate) sign: char,
    pub(crate) old: Option<u32>,
    pub(crate) new: Option<u32>,
    /// Without its line feed; the beginning of a long one.
    pub(crate) text: Vec<u8>,
}

/// Lines near each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// `@@ -1,2 +1,3 @@ fn main()`.
    pub(crate) header: Vec<u8>,
    pub(crate) lines: Vec<DiffLine>,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileDiff {
    pub(crate) kind: ChangeKind,
    pub(crate) old: TreePath,
    pub(crate) new: TreePath,
    pub(crate) added: usize,
    pub(crate) removed: usize,
    pub(crate) hunks: Vec<Hunk>,
    /// Whether it is a submodule, which has no page.
    pub(crate) is_submodule: bool,
    /// Why there are no lines, or not all: `binary`, `too large`, `cut`.
    pub(crate) without: Option<&'static str>,
}

/// The differences between two commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    pub(crate) files: Vec<FileDiff>,
    /// How many files differ.
    pub(crate) total: usize,
    /// Lines of the files that are compared here.
    pub(crate) added: usize,
    pub(crate) removed: usize,
    /// Whether lines or files are left out.
    pub(crate) is_cut: bool,
}

/// What is left of the limits.
struct Budget {
    lines: usize,
    bytes: usize,
    files: usize,
    end: Instant,
}

/// Compares two commits; with no `old`, everything of `new` is added.
///
/// # Errors
/// The commits cannot be read.
pub(crate) fn diff_commits(repo: &Repo, old: Option<CommitId>, new: CommitId) -> Result<Diff, BrowseError> {
    let failed = BrowseError::object("the differences");
    let tree = |id: CommitId| repo.find(id)?.tree().map_err(BrowseError::object("the root folder"));
    let (before, after) = (old.map(tree).transpose()?, tree(new)?);
    let mut options = git2::DiffOptions::new();
    options.max_size(MAX_COMPARED).ignore_submodules(false).include_typechange(true).id_abbrev(7);
    let git = repo.git();
    let mut compared =
        git.diff_tree_to_tree(before.as_ref(), Some(&after), Some(&mut options)).map_err(&failed)?;
    let total = compared.deltas().len();
    if total <= MAX_FILES {
        let mut similar = git2::DiffFindOptions::new();
        similar.renames(true).rename_limit(MAX_RENAMES);
        compared.find_similar(Some(&mut similar)).map_err(&failed)?;
    }
    let total = compared.deltas().len();
    let mut diff = Diff { total, is_cut: total > MAX_FILES, ..Diff::default() };
    let end = Instant::now() + MAX_TIME;
    let mut left = Budget { lines: MAX_LINES, bytes: MAX_BYTES, files: MAX_FILES_WITH_LINES, end };
    for index in 0..total.min(MAX_FILES) {
        let Some(file) = file_diff(&compared, index, &mut left)? else { continue };
        diff.added += file.added;
        diff.removed += file.removed;
        diff.is_cut |= file.without == Some("cut");
        diff.files.push(file);
    }
    Ok(diff)
}

/// What a file of a commit was called in the commit before; nothing when it was no file with much of the same text.
pub(super) fn renamed_from(
    repo: &Repo,
    old: CommitId,
    new: CommitId,
    path: &TreePath,
) -> Result<Option<TreePath>, BrowseError> {
    let failed = BrowseError::object("the differences");
    let tree = |id: CommitId| repo.find(id)?.tree().map_err(BrowseError::object("the root folder"));
    let mut options = git2::DiffOptions::new();
    options.max_size(MAX_COMPARED);
    let compared = repo.git().diff_tree_to_tree(Some(&tree(old)?), Some(&tree(new)?), Some(&mut options));
    let mut compared = compared.map_err(&failed)?;
    if compared.deltas().len() > MAX_FILES {
        return Ok(None);
    }
    let mut similar = git2::DiffFindOptions::new();
    similar.renames(true).rename_limit(MAX_RENAMES);
    compared.find_similar(Some(&mut similar)).map_err(&failed)?;
    let is_meant = |delta: &git2::DiffDelta<'_>| {
        delta.status() == git2::Delta::Renamed && delta.new_file().path_bytes() == Some(path.as_bytes())
    };
    let delta = compared.deltas().find(is_meant);
    Ok(delta.and_then(|delta| delta.old_file().path_bytes().and_then(TreePath::parse)))
}

fn file_diff(
    compared: &git2::Diff<'_>,
    index: usize,
    left: &mut Budget,
) -> Result<Option<FileDiff>, BrowseError> {
    let Some(delta) = compared.get_delta(index) else { return Ok(None) };
    let path = |file: &git2::DiffFile<'_>| file.path_bytes().and_then(TreePath::parse).unwrap_or_default();
    let kind = match delta.status() {
        git2::Delta::Added => ChangeKind::Added,
        git2::Delta::Deleted => ChangeKind::Deleted,
        git2::Delta::Renamed | git2::Delta::Copied => ChangeKind::Renamed,
        git2::Delta::Typechange => ChangeKind::Type,
        git2::Delta::Modified
        | git2::Delta::Unmodified
        | git2::Delta::Ignored
        | git2::Delta::Untracked
        | git2::Delta::Unreadable
        | git2::Delta::Conflicted => ChangeKind::Modified,
    };
    let side = if kind == ChangeKind::Deleted { delta.old_file() } else { delta.new_file() };
    let mut file = FileDiff {
        kind,
        old: path(&delta.old_file()),
        new: path(&delta.new_file()),
        added: 0,
        removed: 0,
        hunks: Vec::new(),
        is_submodule: side.mode() == git2::FileMode::Commit,
        without: None,
    };
    if left.files == 0 || left.lines == 0 || left.bytes == 0 || Instant::now() > left.end {
        file.without = Some("cut");
        return Ok(Some(file));
    }
    left.files -= 1;
    let patch =
        git2::Patch::from_diff(compared, index).map_err(BrowseError::object("the lines of a file"))?;
    let binary = compared.get_delta(index).is_some_and(|delta| delta.flags().is_binary());
    match patch {
        Some(patch) if !binary => add_lines(&patch, &mut file, left)?,
        Some(_) | None => file.without = Some(not_compared(&delta)),
    }
    Ok(Some(file))
}

/// Why a file has no lines.
fn not_compared(delta: &git2::DiffDelta<'_>) -> &'static str {
    let most = u64::try_from(MAX_COMPARED).unwrap_or(u64::MAX);
    match delta.old_file().size() > most || delta.new_file().size() > most {
        true => "too large",
        false => "binary",
    }
}

fn add_lines(patch: &git2::Patch<'_>, file: &mut FileDiff, left: &mut Budget) -> Result<(), BrowseError> {
    let failed = BrowseError::object("the lines of a file");
    let (_, added, removed) = patch.line_stats().map_err(&failed)?;
    (file.added, file.removed) = (added, removed);
    let mut of_file = 0;
    for index in 0..patch.num_hunks() {
        let (header, count) = patch.hunk(index).map_err(&failed)?;
        let mut hunk = Hunk { header: header.header().trim_ascii_end().to_vec(), lines: Vec::new() };
        for line in 0..count {
            if of_file == MAX_LINES_OF_FILE || left.lines == 0 || left.bytes == 0 {
                file.without = Some("cut");
                break;
            }
            let line = patch.line_in_hunk(index, line).map_err(&failed)?;
            // Only that the last line has no line feed is said by others.
            let sign = line.origin();
            if !matches!(sign, '+' | '-' | ' ') {
                continue;
            }
            let text = line.content().strip_suffix(b"\n").unwrap_or(line.content());
            let text = text.get(..MAX_LINE).unwrap_or(text).to_vec();
            of_file += 1;
            left.lines -= 1;
            left.bytes = left.bytes.saturating_sub(text.len());
            hunk.lines.push(DiffLine { sign, old: line.old_lineno(), new: line.new_lineno(), text });
        }
        file.hunks.push(hunk);
        if file.without.is_some() {
            break;
        }
    }
    Ok(())
}
