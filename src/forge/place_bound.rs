//! The paths in a repository that would lead elsewhere once its folder is moved: in its configuration, in
//! `objects/info/alternates`, in symbolic links, and those of linked worktrees. And the repositories that borrow objects.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::repo_error::RepoError;
use super::settings;

/// The file with the object folders of other repositories that a repository borrows from.
const ALTERNATES: &str = "objects/info/alternates";

/// A path that would lead elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceBound {
    /// Where it is written: a setting, a file or a link of the repository.
    pub(crate) found: String,
    /// The path as it is written.
    pub(crate) written: PathBuf,
    /// The command that writes it so that the repository can be moved.
    pub(crate) remedy: String,
}

/// The first path that prevents a repository from being moved. `repo` has no symbolic link in it.
pub(super) fn place_bound(repo: &Path) -> Result<Option<PlaceBound>, RepoError> {
    let shown = repo.display();
    for borrowed in alternates(repo)? {
        if is_bound(repo, &repo.join("objects"), &borrowed.written) {
            let (from, to) =
                (borrowed.written.display(), movable(repo, &repo.join("objects"), &borrowed.written));
            let to = to.display();
            let remedy = format!("sed -i 's|^{from}$|{to}|' '{shown}/{ALTERNATES}'");
            return Ok(Some(PlaceBound { found: ALTERNATES.to_owned(), written: borrowed.written, remedy }));
        }
    }
    for (key, value) in path_settings(repo)? {
        if is_bound(repo, repo, &value) {
            let target = movable(repo, repo, &value);
            let remedy = format!("git -C '{shown}' config {key} '{}'", target.display());
            return Ok(Some(PlaceBound { found: key, written: value, remedy }));
        }
    }
    if let Some(worktree) = live_worktree(repo)? {
        let remedy = format!("git -C '{shown}' worktree remove '{}'", worktree.display());
        return Ok(Some(PlaceBound { found: "linked worktree".to_owned(), written: worktree, remedy }));
    }
    bound_link(repo)
}

/// Whether a path leads elsewhere when the repository is moved: a relative one out of it, or an absolute one into it. One
/// that leads nowhere cannot be broken.
fn is_bound(repo: &Path, base: &Path, written: &Path) -> bool {
    // What is relative to a linked folder is relative to the folder that the link leads to.
    let Ok(base) = fs::canonicalize(base) else { return false };
    fs::canonicalize(base.join(written))
        .is_ok_and(|target| target.starts_with(repo) == written.is_absolute() && written != Path::new(""))
}

/// The same path, written so that it leads to the same place when the repository is moved.
fn movable(repo: &Path, base: &Path, written: &Path) -> PathBuf {
    let target = absolute(base, written);
    match (target.strip_prefix(repo), base.strip_prefix(repo)) {
        (Ok(inside), Ok(base)) => base.iter().map(|_| OsStr::new("..")).chain(inside.iter()).collect(),
        (Ok(_), Err(_)) | (Err(_), _) => target,
    }
}

fn absolute(base: &Path, written: &Path) -> PathBuf {
    fs::canonicalize(base.join(written)).unwrap_or_else(|_| base.join(written))
}

/// The settings of the repository's own file whose value is a path: those that include files, and those that start as one.
fn path_settings(repo: &Path) -> Result<Vec<(String, PathBuf)>, RepoError> {
    let failed = |source| RepoError::Config { path: repo.to_owned(), source };
    let config = settings::open(repo)?;
    let mut entries = config.entries(None).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(failed)?;
        let key = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        let value = entry.value_bytes();
        let includes = key.starts_with("include.") || key.starts_with("includeif.");
        let is_path = (includes && key.ends_with(".path") && !value.starts_with(b"~"))
            || [b"./".as_slice(), b"../", b"/"].iter().any(|start| value.starts_with(start));
        if entry.include_depth() == 0 && is_path {
            found.push((key, PathBuf::from(OsStr::from_bytes(value))));
        }
    }
    Ok(found)
}

/// A linked worktree that exists: its `.git` names the folder of the repository.
fn live_worktree(repo: &Path) -> Result<Option<PathBuf>, RepoError> {
    let folder = repo.join("worktrees");
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| RepoError::Read { path, source }
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(&folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(read(&folder))?.path();
        let Ok(text) = fs::read(entry.join("gitdir")) else { continue };
        let dot_git = entry.join(OsStr::from_bytes(text.trim_ascii_end()));
        if dot_git.exists() {
            return Ok(Some(dot_git.parent().unwrap_or(&dot_git).to_owned()));
        }
    }
    Ok(None)
}

/// A symbolic link below the repository that would lead elsewhere.
fn bound_link(repo: &Path) -> Result<Option<PlaceBound>, RepoError> {
    let mut folders = vec![repo.to_owned()];
    while let Some(folder) = folders.pop() {
        let read = |source| RepoError::Read { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(read)? {
            let entry = entry.map_err(read)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(read)?);
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let Some(written) = fs::read_link(&path).ok().filter(|_| kind.is_symlink()) else { continue };
            if is_bound(repo, &folder, &written) {
                let target = movable(repo, &folder, &written);
                let remedy = format!("ln -sfn '{}' '{}'", target.display(), path.display());
                let found = format!("symbolic link {}", path.strip_prefix(repo).unwrap_or(&path).display());
                return Ok(Some(PlaceBound { found, written, remedy }));
            }
        }
    }
    Ok(None)
}

/// A folder of objects that a repository borrows from.
pub(super) struct Borrowed {
    written: PathBuf,
    /// Where it is; as it is written when it does not exist.
    pub(super) path: PathBuf,
}

impl Borrowed {
    /// Whether the folder exists.
    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }
}

/// The folders of objects that a repository borrows from: git's alternates, and a linked folder of its own objects.
pub(super) fn alternates(repo: &Path) -> Result<Vec<Borrowed>, RepoError> {
    let file = repo.join(ALTERNATES);
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(RepoError::Read { path: file, source }),
    };
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    let objects = absolute(repo, Path::new("objects"));
    let borrowed = lines.map(|line| {
        // Git quotes a path that begins with a quotation mark.
        let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
        let written = PathBuf::from(OsStr::from_bytes(line));
        Borrowed { path: absolute(&objects, &written), written }
    });
    Ok(borrowed.collect())
}

/// Whether a repository uses objects that are in the folder of another.
pub(super) fn borrows_from(repo: &Path, other: &Path) -> Result<bool, RepoError> {
    let Ok(other) = fs::canonicalize(other) else { return Ok(false) };
    let own = absolute(repo, Path::new("objects"));
    Ok(own.starts_with(&other) || alternates(repo)?.iter().any(|borrowed| borrowed.path.starts_with(&other)))
}
