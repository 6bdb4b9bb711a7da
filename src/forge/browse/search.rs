//! Searching the files of a commit for a text.

use std::path::Path;

use super::browse_error::BrowseError;
use super::git::PageGit;
use super::tree_path::TreePath;
use crate::model::CommitId;
use crate::sys::cancel_signal::CancelSignal;

/// The most lines that are found, and in one file.
const MAX_LINES: usize = 500;
const MAX_OF_FILE: usize = 50;

/// The most that git may write, in bytes.
const MAX_OUTPUT: usize = 1 << 20;

/// The most of a line that is kept, in bytes.
const MAX_LINE: usize = 400;

/// A line that has the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) path: TreePath,
    pub(crate) line: u64,
    /// The beginning of the line.
    pub(crate) text: Vec<u8>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Matches {
    pub(crate) lines: Vec<Match>,
    /// Whether there may be more: too many lines, too many in one file, or not enough time.
    pub(crate) is_cut: bool,
}

/// Searches the text files of a commit for a text, not for a pattern. Capital letters count when the text has one. Blocking.
///
/// # Errors
/// Git has failed.
pub(crate) fn search(
    git_dir: &Path,
    commit: CommitId,
    text: &str,
    cancel: &CancelSignal,
) -> Result<Matches, BrowseError> {
    let case: &[&str] = if text.chars().any(char::is_uppercase) { &[] } else { &["-i"] };
    let written = PageGit::new(git_dir)
        .args(["grep", "-n", "-I", "-z", "-F", "--no-color", "--full-name", "--no-textconv"])
        .arg(format!("--max-count={MAX_OF_FILE}"))
        .args(case)
        .args(["-e", text])
        .arg(commit.to_string())
        // Exit code 1 says that nothing was found.
        .run_to(MAX_OUTPUT, cancel, &[0, 1])?;
    let mut found = parse(&written.bytes);
    found.is_cut |= written.is_cut;
    Ok(found)
}

/// Reads lines of `COMMIT:PATH`, NUL, the number, NUL and the text.
fn parse(written: &[u8]) -> Matches {
    let mut found = Matches::default();
    let mut of_file = 0;
    let mut rest = written;
    while !rest.is_empty() {
        let mut fields = rest.splitn(3, |byte| *byte == 0);
        let (Some(path), Some(line), Some(after)) = (fields.next(), fields.next(), fields.next()) else {
            break;
        };
        let end = after.iter().position(|byte| *byte == b'\n');
        let (text, next) = after.split_at(end.unwrap_or(after.len()));
        rest = next.get(1..).unwrap_or_default();
        if found.lines.len() == MAX_LINES {
            found.is_cut = true;
            break;
        }
        let path = path.get(41..).and_then(TreePath::parse);
        let line = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok());
        let Some((path, line)) = path.zip(line) else { continue };
        of_file = if found.lines.last().is_some_and(|last| last.path == path) { of_file + 1 } else { 1 };
        found.is_cut |= of_file == MAX_OF_FILE;
        let text = text.get(..MAX_LINE).unwrap_or(text).to_vec();
        found.lines.push(Match { path, line, text });
    }
    found
}
