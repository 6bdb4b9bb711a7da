//! The refs of a repository as bytes: loose files and `packed-refs`, read without libgit2, which names only
//! refs that are UTF-8.
//!
//! Direct refs have a value; symbolic refs are listed apart and never observed, because git writes a log for
//! the alias and for its target alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::model::{CommitId, RefName};

use super::look_error::LookError;

/// The deepest chain of symbolic refs that is followed, as in git.
const MAX_SYMBOLIC_DEPTH: usize = 5;

/// The state of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefValue {
    /// It has this value.
    Direct(CommitId),
    /// It points to another ref.
    Symbolic(RefName),
    /// The ref does not exist.
    Missing,
}

/// All refs of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RefList {
    /// Refs with a value, by name.
    pub(crate) direct: BTreeMap<RefName, CommitId>,
    pub(crate) symbolic: BTreeMap<RefName, RefName>,
    /// Refs whose file is invalid, for example empty after a power cut.
    pub(crate) broken: BTreeSet<RefName>,
}

/// A reader of one repository's refs. Keeps `packed-refs` in memory as long as the file does not change.
#[derive(Debug)]
pub(crate) struct Refs {
    git_dir: PathBuf,
    packed: Option<(Stamp, HashMap<Vec<u8>, CommitId>)>,
}

/// Identifies a version of `packed-refs`: git only ever renames a new file over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

/// The content of one file below `refs/`.
enum Loose {
    Value(RefValue),
    Broken,
}

impl Refs {
    /// A reader of the repository in this folder.
    pub(crate) fn of(git_dir: &Path) -> Self {
        Self { git_dir: git_dir.to_owned(), packed: None }
    }

    /// The folder of the repository.
    pub(crate) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The current state of this ref.
    ///
    /// # Errors
    /// A file could not be read or is invalid.
    pub(crate) fn value(&mut self, name: &RefName) -> Result<RefValue, LookError> {
        let path = self.git_dir.join(OsStr::from_bytes(name.as_bytes()));
        match read_loose(&path)? {
            Some(Loose::Value(value)) => return Ok(value),
            Some(Loose::Broken) => return Err(LookError::BrokenRef { name: name.clone() }),
            None => {}
        }
        // Packing renames the new `packed-refs` into place before it removes the loose file, so a value that
        // has just disappeared from the loose file is in the packed one.
        let packed = self.packed()?;
        Ok(packed.get(name.as_bytes()).map_or(RefValue::Missing, |id| RefValue::Direct(*id)))
    }

    /// The ref that a name leads to in the end: itself, unless it is symbolic.
    ///
    /// # Errors
    /// A file could not be read, or symbolic refs form a cycle.
    pub(crate) fn resolve(&mut self, name: &RefName) -> Result<RefName, LookError> {
        let mut at = name.clone();
        for _ in 0..=MAX_SYMBOLIC_DEPTH {
            match self.value(&at)? {
                RefValue::Symbolic(target) => at = target,
                RefValue::Direct(_) | RefValue::Missing => return Ok(at),
            }
        }
        Err(LookError::SymbolicLoop { name: name.clone() })
    }

    /// All refs below `refs/`.
    ///
    /// # Errors
    /// A file or folder could not be read.
    pub(crate) fn all(&mut self) -> Result<RefList, LookError> {
        let mut list = RefList::default();
        for name in files_below(&self.git_dir)? {
            let path = self.git_dir.join(OsStr::from_bytes(name.as_bytes()));
            match read_loose(&path)? {
                Some(Loose::Value(RefValue::Direct(id))) => drop(list.direct.insert(name, id)),
                Some(Loose::Value(RefValue::Symbolic(target))) => drop(list.symbolic.insert(name, target)),
                Some(Loose::Broken) => drop(list.broken.insert(name)),
                Some(Loose::Value(RefValue::Missing)) | None => {}
            }
        }
        for (name, id) in self.packed()? {
            let Ok(name) = RefName::parse(name) else { continue };
            if !list.symbolic.contains_key(&name) && !list.broken.contains(&name) {
                list.direct.entry(name).or_insert(*id);
            }
        }
        Ok(list)
    }

    /// The packed refs; read again when the file has changed.
    fn packed(&mut self) -> Result<&HashMap<Vec<u8>, CommitId>, LookError> {
        let path = self.git_dir.join("packed-refs");
        let read = |source| LookError::Read { path: path.clone(), source };
        let stamp = match fs::metadata(&path) {
            Ok(meta) => Stamp::of(&meta),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Stamp::NONE,
            Err(error) => return Err(read(error)),
        };
        let fresh = self.packed.take().filter(|(known, _)| *known == stamp);
        let packed = match fresh {
            Some(packed) => packed,
            None if stamp == Stamp::NONE => (stamp, HashMap::new()),
            // A file that is replaced between the two calls is read again next time, because its stamp is older.
            None => (stamp, parse_packed(&fs::read(&path).map_err(read)?)),
        };
        Ok(&self.packed.insert(packed).1)
    }
}

impl Stamp {
    const NONE: Self = Self { inode: 0, size: 0, mtime: (0, 0), ctime: (0, 0) };

    fn of(meta: &fs::Metadata) -> Self {
        Self {
            inode: meta.ino(),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// The branch that `HEAD` of a repository names, existing or not; `None` when `HEAD` is detached or
/// cannot be read.
pub(crate) fn head_branch(git_dir: &Path) -> Option<RefName> {
    match read_loose(&git_dir.join("HEAD")) {
        Ok(Some(Loose::Value(RefValue::Symbolic(branch)))) => Some(branch),
        Ok(_) | Err(_) => None,
    }
}

/// The names of all files in `refs/` below a folder (the repository, or its `logs`), without lock files and
/// invalid ref names. A folder that disappears meanwhile is not an error.
pub(super) fn files_below(root: &Path) -> Result<Vec<RefName>, LookError> {
    let mut names = Vec::new();
    let mut folders = vec![b"refs".to_vec()];
    while let Some(folder) = folders.pop() {
        let path = root.join(OsStr::from_bytes(&folder));
        let read = |source| LookError::Read { path: path.clone(), source };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(read(error)),
        };
        for entry in entries {
            let entry = entry.map_err(read)?;
            let mut name = folder.clone();
            name.push(b'/');
            name.extend(entry.file_name().into_vec());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(name),
                Ok(_) => names.extend(RefName::parse(&name)),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(read(error)),
            }
        }
    }
    Ok(names)
}

/// Whether an error means that a file does not exist: nothing has the name, or a parent is not a folder.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory
    )
}

/// Reads one loose ref; `None` when it does not exist.
fn read_loose(path: &Path) -> Result<Option<Loose>, LookError> {
    // Old versions of git made symbolic refs as symbolic links; `HEAD`-like files are never links in a new repository.
    let text = match fs::read_link(path) {
        Ok(target) => [b"ref: ".as_slice(), target.as_os_str().as_bytes()].concat(),
        Err(_) => match fs::read(path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(source) => return Err(LookError::Read { path: path.to_owned(), source }),
        },
    };
    let text = text.trim_ascii();
    if let Some(target) = text.strip_prefix(b"ref:") {
        let target = RefName::parse(target.trim_ascii());
        return Ok(Some(target.map_or(Loose::Broken, |target| Loose::Value(RefValue::Symbolic(target)))));
    }
    let id =
        text.get(..40).and_then(|id| std::str::from_utf8(id).ok()).and_then(|id| CommitId::parse(id).ok());
    Ok(Some(id.map_or(Loose::Broken, |id| Loose::Value(RefValue::Direct(id)))))
}

/// Parses `packed-refs`: a header, `<id> <name>` lines, and `^<id>` lines with the target of a tag.
fn parse_packed(bytes: &[u8]) -> HashMap<Vec<u8>, CommitId> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !matches!(line.first(), Some(b'#' | b'^')));
    lines
        .filter_map(|line| {
            let (id, name) = line.split_at_checked(40)?;
            let id = CommitId::parse(std::str::from_utf8(id).ok()?).ok()?;
            Some((name.strip_prefix(b" ")?.to_vec(), id))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &[u8]) -> RefName {
        RefName::parse(text).unwrap()
    }

    fn id(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).unwrap()
    }

    fn repo(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn loose_refs_take_precedence_over_packed_refs() {
        let a = "a".repeat(40);
        let b = "b".repeat(40);
        let dir = repo(&[
            ("refs/heads/main", &format!("{a}\n")),
            ("refs/heads/alias", "ref: refs/heads/main\n"),
            ("refs/heads/chain", "ref: refs/heads/alias\n"),
            ("refs/heads/round", "ref: refs/heads/round\n"),
            ("refs/heads/x.lock", &a),
            ("refs/heads/broken", ""),
            (
                "packed-refs",
                &format!(
                    "# pack-refs with: peeled\n{b} refs/heads/main\n{b} refs/heads/alias\n{b} refs/tags/v1\n^{a}\n"
                ),
            ),
        ]);
        let mut refs = Refs::of(dir.path());
        let list = refs.all().unwrap();
        let direct: Vec<_> = list.direct.iter().map(|(name, id)| (name.to_string(), *id)).collect();
        assert_eq!(direct, [("refs/heads/main".into(), id('a')), ("refs/tags/v1".into(), id('b'))]);
        assert_eq!(list.broken.len(), 1);
        assert_eq!(list.symbolic.len(), 3);
        assert_eq!(refs.value(&name(b"refs/tags/v1")).unwrap(), RefValue::Direct(id('b')));
        assert_eq!(refs.value(&name(b"refs/heads")).unwrap(), RefValue::Missing);
        assert_eq!(refs.value(&name(b"refs/heads/main/x")).unwrap(), RefValue::Missing);
        assert_eq!(refs.resolve(&name(b"refs/heads/chain")).unwrap(), name(b"refs/heads/main"));
        assert!(matches!(refs.resolve(&name(b"refs/heads/round")), Err(LookError::SymbolicLoop { .. })));
        assert!(matches!(refs.value(&name(b"refs/heads/broken")), Err(LookError::BrokenRef { .. })));
    }

    #[test]
    fn a_new_packed_refs_is_noticed() {
        let dir = repo(&[("packed-refs", &format!("{} refs/tags/v\n", "a".repeat(40)))]);
        let mut refs = Refs::of(dir.path());
        let tag = name(b"refs/tags/v");
        assert_eq!(refs.value(&tag).unwrap(), RefValue::Direct(id('a')));
        fs::write(dir.path().join("new"), format!("{} refs/tags/v\n", "b".repeat(40))).unwrap();
        fs::rename(dir.path().join("new"), dir.path().join("packed-refs")).unwrap();
        assert_eq!(refs.value(&tag).unwrap(), RefValue::Direct(id('b')));
        fs::remove_file(dir.path().join("packed-refs")).unwrap();
        assert_eq!(refs.value(&tag).unwrap(), RefValue::Missing);
    }
}
