//! Which commit each line of a file is from.

use std::collections::HashMap;
use std::path::Path;

use super::blob::{Blob, BlobText, read_blob};
use super::browse_error::BrowseError;
use super::commit_info::text;
use super::git::PageGit;
use super::tree_path::TreePath;
use crate::forge::open::Repo;
use crate::model::{CommitId, Timestamp};
use crate::sys::cancel_signal::CancelSignal;

/// The most lines that are blamed.
const MAX_LINES: usize = 10_000;

/// The most that git may write about a file, in bytes.
const MAX_OUTPUT: usize = 8 << 20;

/// The longest name and subject that is kept, in bytes.
const MAX_NAME: usize = 200;

/// What is said about a commit that lines are from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BlamedCommit {
    pub(crate) author: String,
    pub(crate) time: Option<Timestamp>,
    pub(crate) subject: String,
    /// The commit before it, and what the file was called there; nothing when the file begins with it.
    pub(crate) previous: Option<(CommitId, TreePath)>,
}

/// Lines of a file, one behind the other, that are from one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlamePart {
    pub(crate) commit: CommitId,
    /// The number of the first line.
    pub(crate) first: usize,
    /// How many they are.
    pub(crate) count: usize,
}

/// Where the lines of a file are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blame {
    pub(crate) blob: Blob,
    pub(crate) parts: Vec<BlamePart>,
    pub(crate) commits: HashMap<CommitId, BlamedCommit>,
    /// How many lines were blamed, when the file has more.
    pub(crate) cut_at: Option<usize>,
}

/// Finds the commit that each line of a text file is from. Blocking; a file that is no text has no parts.
///
/// # Errors
/// The path is not that of a file, or git has failed.
pub(crate) fn blame(
    (repo, git_dir): (&Repo, &Path),
    commit: CommitId,
    path: &TreePath,
    cancel: &CancelSignal,
) -> Result<Blame, BrowseError> {
    let blob = read_blob(repo, commit, path)?;
    let mut blame = Blame { blob, parts: Vec::new(), commits: HashMap::new(), cut_at: None };
    let BlobText::Text(content) = &blame.blob.content else { return Ok(blame) };
    let lines = content.split_inclusive(|byte| *byte == b'\n').count();
    if lines == 0 {
        return Ok(blame);
    }
    let most = lines.min(MAX_LINES);
    let written = PageGit::new(git_dir)
        .args(["blame", "--porcelain", "--no-textconv"])
        .arg(format!("-L1,{most}"))
        .arg(commit.to_string())
        .arg("--")
        .path(path.as_bytes())
        .run(MAX_OUTPUT, cancel)?;
    parse(&written.bytes, &mut blame);
    let blamed = blame.parts.iter().map(|part| part.count).sum::<usize>();
    blame.cut_at = (blamed < lines).then_some(blamed);
    Ok(blame)
}

/// Reads what `git blame --porcelain` writes: for each line a header, for each new commit what it is, and the line behind a tab.
fn parse(written: &[u8], blame: &mut Blame) {
    let mut current: Option<CommitId> = None;
    for line in written.split(|byte| *byte == b'\n') {
        if line.first() == Some(&b'\t') {
            continue;
        }
        let (word, rest) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()));
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let id = std::str::from_utf8(word).ok().and_then(|word| CommitId::parse(word).ok());
        if let Some(id) = id {
            current = Some(id);
            add_line(blame, id, rest);
            continue;
        }
        let Some(about) = current.map(|id| blame.commits.entry(id).or_default()) else { continue };
        match word {
            b"author" => about.author = text(rest, MAX_NAME),
            b"summary" => about.subject = text(rest, MAX_NAME),
            b"author-time" => {
                about.time = number(rest).map(|at| Timestamp::from_millis(at.saturating_mul(1000)));
            }
            b"previous" => about.previous = previous(rest),
            _ => {}
        }
    }
}

/// Adds the line with this header: its number in the commit, its number in the file, and the number of lines of a group.
fn add_line(blame: &mut Blame, commit: CommitId, header: &[u8]) {
    let mut numbers = header.split(|byte| *byte == b' ').skip(1).map(number);
    let Some(Some(line)) = numbers.next() else { return };
    let line = usize::try_from(line).unwrap_or_default();
    match blame.parts.last_mut() {
        Some(last) if last.commit == commit && last.first + last.count == line => last.count += 1,
        Some(_) | None => blame.parts.push(BlamePart { commit, first: line, count: 1 }),
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn previous(text: &[u8]) -> Option<(CommitId, TreePath)> {
    let (id, path) = text.split_at_checked(40)?;
    let id = CommitId::parse(std::str::from_utf8(id).ok()?).ok()?;
    // A path that git has to quote is not followed.
    let path = path.strip_prefix(b" ").filter(|path| path.first() != Some(&b'"'))?;
    Some((id, TreePath::parse(path)?))
}
