//! The list of files of a working copy from git: tracked paths as in the index, and untracked paths that are not ignored.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::copy_error::CopyError;

/// The arguments of git whose output [`parse_listing`] reads.
pub(super) const LIST: [&str; 7] =
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--stage", "-v"];

/// The mode of a submodule in the index.
const SUBMODULE: u32 = 0o160_000;

/// The mode of a link in the index.
const LINK: u32 = 0o120_000;

/// A path that git listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// The path below the given folder.
    pub(super) path: PathBuf,
    /// The entry in the index; `None` for an untracked path.
    pub(super) staged: Option<Staged>,
    /// Whether it is a repository of its own, of which git commits only an id.
    pub(super) is_repository: bool,
}

/// A path in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Staged {
    pub(super) mode: u32,
    pub(super) object: String,
    /// Whether git takes the content from the index even if the file differs (`skip-worktree`, which sparse
    /// checkouts set, and `assume-unchanged`).
    pub(super) is_pinned: bool,
    stage: u8,
}

impl Staged {
    pub(super) fn is_link(&self) -> bool {
        self.mode == LINK
    }

    pub(super) fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }
}

/// Parses the output of [`LIST`]; a path with a conflict, which is listed once for each side, is returned once.
pub(super) fn parse_listing(listed: &[u8]) -> Result<Vec<Listed>, CopyError> {
    let mut paths = BTreeMap::<PathBuf, Option<Staged>>::new();
    let mut repositories = Vec::new();
    for record in listed.split(|byte| *byte == 0).filter(|record| !record.is_empty()) {
        let unexpected = || CopyError::Listing(String::from_utf8_lossy(record).into_owned());
        if let Some(path) = record.strip_prefix(b"? ") {
            let folder = path.strip_suffix(b"/");
            let path = to_path(folder.unwrap_or(path))?;
            repositories.extend(folder.map(|_| path.clone()));
            paths.entry(path).or_insert(None);
            continue;
        }
        let (path, staged) = parse_staged(record).ok_or_else(unexpected)?;
        let path = to_path(path)?;
        if staged.mode == SUBMODULE {
            repositories.push(path.clone());
        }
        let known = paths.entry(path).or_default();
        // In a conflict, git keeps the mode of our side.
        if known.is_none() || staged.stage == 2 {
            *known = Some(staged);
        }
    }
    repositories.sort_unstable();
    let is_repository = |path: &PathBuf| repositories.binary_search(path).is_ok();
    Ok(paths
        .into_iter()
        .map(|(path, staged)| Listed { is_repository: is_repository(&path), path, staged })
        .collect())
}

/// `TAG MODE OBJECT STAGE<tab>PATH`. A lower-case tag is `assume-unchanged`, an `S` is `skip-worktree`.
fn parse_staged(record: &[u8]) -> Option<(&[u8], Staged)> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    let (head, path) = (record.get(..tab)?, record.get(tab + 1..)?);
    let mut words = std::str::from_utf8(head).ok()?.split(' ');
    let tag = words.next().filter(|tag| tag.len() == 1)?;
    let mode = u32::from_str_radix(words.next()?, 8).ok()?;
    let object = words.next().filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()))?.to_owned();
    let stage = words.next()?.parse().ok()?;
    let is_pinned = tag == "S" || tag.bytes().all(|byte| byte.is_ascii_lowercase());
    Some((path, Staged { mode, object, is_pinned, stage }))
}

/// A path that a commit can hold.
fn to_path(bytes: &[u8]) -> Result<PathBuf, CopyError> {
    let path = Path::new(OsStr::from_bytes(bytes));
    let is_part = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
    if !bytes.split(|byte| *byte == b'/').all(is_part) {
        return Err(CopyError::Listing(path.display().to_string()));
    }
    if bytes.split(|byte| *byte == b'/').any(|part| part.eq_ignore_ascii_case(b".git")) {
        return Err(CopyError::Reserved(path.to_owned()));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path, its mode and whether it is pinned, and whether it is a repository.
    type Seen = (String, Option<(u32, bool)>, bool);

    fn parse(records: &[&[u8]]) -> Vec<Seen> {
        parse_listing(&records.join(&0))
            .unwrap()
            .into_iter()
            .map(|listed| {
                let staged = listed.staged.map(|staged| (staged.mode, staged.is_pinned));
                (listed.path.display().to_string(), staged, listed.is_repository)
            })
            .collect()
    }

    #[test]
    fn tags_and_modes_are_read() {
        let listed = parse(&[
            b"? new\nline",
            b"? nested/",
            b"H 100755 aa 0\ttab\tin name",
            b"S 100644 aa 0\tskipped",
            b"h 100644 aa 0\tassumed",
            b"H 160000 aa 0\tsub",
            b"",
        ]);
        let expected = [
            ("assumed", Some((0o100_644, true)), false),
            ("nested", None, true),
            ("new\nline", None, false),
            ("skipped", Some((0o100_644, true)), false),
            ("sub", Some((0o160_000, false)), true),
            ("tab\tin name", Some((0o100_755, false)), false),
        ];
        let expected = expected.map(|(path, staged, is_repository)| (path.to_owned(), staged, is_repository));
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_path_with_a_conflict_is_listed_once_with_the_mode_of_our_side() {
        let sides: [&[u8]; 3] = [b"M 100644 aa 1\tx", b"M 100755 bb 2\tx", b"M 120000 cc 3\tx"];
        assert_eq!(parse(&sides), [("x".to_owned(), Some((0o100_755, false)), false)]);
        assert_eq!(parse(&sides[2..]), [("x".to_owned(), Some((0o120_000, false)), false)]);
    }

    #[test]
    fn a_path_that_no_commit_can_hold_is_refused() {
        for path in ["../x", "a/../x", "/x", "./x", "a//x", ".GIT/x", "a/.git"] {
            assert!(parse_listing(format!("? {path}").as_bytes()).is_err(), "{path}");
        }
        for record in ["H 100644 aa 0 no tab", "H 10x644 aa 0\tx", "H 100644 zz 0\tx", "nothing"] {
            assert!(parse_listing(record.as_bytes()).is_err(), "{record}");
        }
    }
}
