//! Reads from the objects of a repository what a pipeline needs to know about a commit.

use std::path::{Component, Path, PathBuf};

use crate::model::{CommitId, RefName};
use crate::sys::git_command::GitCommand;

use super::read_error::ReadError;
use super::workflow::workflow_path;

/// Largest file below `.quire` that is read, in bytes.
pub(crate) const MAX_PIPELINE_FILE: u64 = 1 << 20;

/// The limit for all files below `.quire` together, in bytes.
pub(crate) const MAX_PIPELINE_BYTES: u64 = 10 << 20;

/// The limit for the names of all entries below `.quire` together, in bytes: a small tree can hold very many.
const MAX_PIPELINE_NAMES: u64 = 1 << 20;

/// The most changed files that are listed.
pub(crate) const MAX_CHANGED_FILES: usize = 3_000;

/// How git names the folder of the objects of a push that is not accepted yet (git-receive-pack(1), "quarantine
/// environment"), below `objects`.
const QUARANTINES: [&str; 2] = ["tmp_objdir-", "incoming-"];

/// Where git keeps the objects of a push until it is accepted, from what it says in `GIT_QUARANTINE_PATH`: a folder of this
/// very repository, or nothing.
pub(crate) fn quarantine(git_dir: &Path, said: &str) -> Option<PathBuf> {
    let name = Path::new(said).file_name()?.to_str()?;
    let is_one = QUARANTINES.iter().any(|prefix| name.starts_with(prefix));
    is_one.then(|| git_dir.join("objects").join(name))
}

/// A repository whose objects can be read. Use it from one thread at a time; opening another is cheap.
pub struct Repo {
    git: git2::Repository,
}

/// The data of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// The id of the commit; for a tag, the commit that it points to.
    pub(crate) id: CommitId,
    /// The author's name and e-mail; the pusher may be another person. Bytes that are not UTF-8 become U+FFFD.
    pub(crate) author: String,
    /// The message. Bytes that are not UTF-8 become U+FFFD.
    pub(crate) message: String,
}

/// The `.quire` folder of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PipelineFiles {
    /// The id of the tree, which changes exactly when a file below it changes.
    pub(crate) tree: CommitId,
    /// All files below it: path from the root of the commit, and content. Sorted in git's order.
    pub(crate) files: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The paths that differ between two commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The paths; bytes that are not UTF-8 become U+FFFD.
    pub(crate) paths: Vec<String>,
    /// Whether there are more than [`MAX_CHANGED_FILES`].
    pub(crate) truncated: bool,
}

impl PipelineFiles {
    /// The content of a file, by its path from the root of the commit.
    pub(crate) fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.iter().find(|(name, _)| name == path.as_bytes()).map(|(_, content)| content.as_slice())
    }

    /// Whether there is a `.quire/ci.lua`.
    pub(crate) fn has_lua(&self) -> bool {
        self.get(".quire/ci.lua").is_some()
    }
}

impl Repo {
    /// Opens the bare repository in this folder.
    ///
    /// # Errors
    /// libgit2 cannot read it, or refuses to because it belongs to another user.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let git = git2::Repository::open_bare(path)
            .map_err(|source| ReadError::Open { path: path.to_owned(), source })?;
        Ok(Self { git })
    }

    /// Also reads the objects in this folder, which are not accepted yet. One that is gone, or a link, has none. Blocking.
    ///
    /// # Errors
    /// libgit2 cannot use it.
    pub(crate) fn also_read(&self, objects: &Path) -> Result<(), ReadError> {
        if !objects.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return Ok(());
        }
        let added = objects.to_str().map(|path| self.git.odb().and_then(|odb| odb.add_disk_alternate(path)));
        added.unwrap_or(Ok(())).map_err(|source| ReadError::Open { path: objects.to_owned(), source })
    }

    /// The commit with this id, or the commit that the annotated tag with this id points to.
    ///
    /// # Errors
    /// The object is missing, or is not a commit.
    pub(crate) fn commit(&self, id: CommitId) -> Result<Commit, ReadError> {
        let commit = self.find(id)?;
        if let Some(converted) = self.converted(&commit) {
            return Ok(converted);
        }
        let author = commit.author();
        let name = String::from_utf8_lossy(author.name_bytes());
        let email = String::from_utf8_lossy(author.email_bytes());
        Ok(Commit {
            id: commit_id(commit.id()),
            author: format!("{name} <{email}>"),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
        })
    }

    /// A commit whose header says that its text is not UTF-8, as git converts it; nothing when git cannot.
    fn converted(&self, commit: &git2::Commit<'_>) -> Option<Commit> {
        // A name of an encoding that is no text is none that git knows.
        let encoding = commit.message_encoding().ok().flatten()?;
        if encoding.eq_ignore_ascii_case("UTF-8") {
            return None;
        }
        let id = commit_id(commit.id());
        let show = ["show", "-s", "--encoding=UTF-8", "--format=%an <%ae>%x00%B"].map(str::to_owned);
        let shown = GitCommand::in_repo(self.git.path()).args(show).arg(id.to_string()).run();
        let shown =
            shown.inspect_err(|error| tracing::debug!(%error, "the text of {id} is not converted")).ok()?;
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let (author, message) = shown.split_once('\0')?;
        Some(Commit { id, author: author.to_owned(), message: message.to_owned() })
    }

    /// Whether a commit has a pipeline for a ref: in Fennel, in Lua, or as the workflow of the branch. Reads no file.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn has_pipeline(&self, id: CommitId, ref_name: &RefName) -> Result<bool, ReadError> {
        let failed = |source| ReadError::Object { commit: id, what: "the pipeline", source };
        let root = self.find(id)?.tree().map_err(failed)?;
        let is_file =
            |path: &Path| root.get_path(path).is_ok_and(|entry| entry.kind() == Some(git2::ObjectType::Blob));
        Ok(is_file(Path::new(".quire/ci.fnl"))
            || is_file(Path::new(".quire/ci.lua"))
            || workflow_path(ref_name).is_some_and(|path| is_file(&path)))
    }

    /// The files below `.quire` of a commit; empty when the commit has no such folder. Links and submodules are
    /// left out.
    ///
    /// # Errors
    /// Says what is missing or too large.
    pub(crate) fn pipeline_files(&self, id: CommitId) -> Result<Option<PipelineFiles>, ReadError> {
        let failed = |source| ReadError::Object { commit: id, what: "the pipeline", source };
        let root = self.find(id)?.tree().map_err(failed)?;
        let Some(entry) =
            root.get_name(".quire").filter(|entry| entry.kind() == Some(git2::ObjectType::Tree))
        else {
            return Ok(None);
        };
        let mut found = PipelineFiles { tree: commit_id(entry.id()), files: Vec::new() };
        let (mut left, mut names) = (MAX_PIPELINE_BYTES, 0);
        let odb = self.git.odb().map_err(failed)?;
        let mut folders = vec![(b".quire/".to_vec(), entry.id())];
        while let Some((folder, tree)) = folders.pop() {
            for entry in &self.git.find_tree(tree).map_err(failed)? {
                let path = [&folder, entry.name_bytes()].concat();
                names += path.len() as u64;
                if names > MAX_PIPELINE_NAMES {
                    let what = "the list of files below .quire".to_owned();
                    return Err(ReadError::TooLarge { what, size: names, limit: MAX_PIPELINE_NAMES });
                }
                match (entry.kind(), entry.filemode()) {
                    (Some(git2::ObjectType::Tree), _) => {
                        folders.push(([&path, b"/".as_slice()].concat(), entry.id()));
                    }
                    (Some(git2::ObjectType::Blob), mode) if mode != LINK => {
                        // The header is read first: a small object can hold a large file.
                        let (size, _) = odb.read_header(entry.id()).map_err(failed)?;
                        left = take(&path, size as u64, left)?;
                        let content = self.git.find_blob(entry.id()).map_err(failed)?.content().to_vec();
                        found.files.push((path, content));
                    }
                    _ => {}
                }
            }
        }
        found.files.sort();
        Ok(Some(found))
    }

    /// A file of a commit, by its path; `None` when it is missing, a link or a folder.
    ///
    /// # Errors
    /// The commit cannot be read, or the file has more than `limit` bytes.
    pub(crate) fn file(&self, id: CommitId, path: &str, limit: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let failed = |source| ReadError::Object { commit: id, what: "a file", source };
        let root = self.find(id)?.tree().map_err(failed)?;
        let Ok(entry) = root.get_path(Path::new(path)) else { return Ok(None) };
        if entry.kind() != Some(git2::ObjectType::Blob) || entry.filemode() == LINK {
            return Ok(None);
        }
        let (size, _) = self.git.odb().and_then(|odb| odb.read_header(entry.id())).map_err(failed)?;
        if size as u64 > limit {
            return Err(ReadError::TooLarge { what: path.to_owned(), size: size as u64, limit });
        }
        let blob = self.git.find_blob(entry.id()).map_err(failed)?;
        Ok(Some(blob.content().to_vec()))
    }

    /// Whether a path is that of a file of a commit. A path that leads out of it is not, nor is anything that cannot be read.
    pub(crate) fn has_file(&self, id: CommitId, path: &str) -> bool {
        self.kind_of(id, path) == Some(git2::ObjectType::Blob)
    }

    /// Whether a path is that of a folder of a commit.
    pub(crate) fn has_folder(&self, id: CommitId, path: &str) -> bool {
        self.kind_of(id, path) == Some(git2::ObjectType::Tree)
    }

    fn kind_of(&self, id: CommitId, path: &str) -> Option<git2::ObjectType> {
        let mut plain = PathBuf::new();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(part) => plain.push(part),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        let root = self.find(id).ok()?.tree().ok()?;
        match plain.as_os_str().is_empty() {
            true => Some(git2::ObjectType::Tree),
            false => root.get_path(&plain).ok()?.kind(),
        }
    }

    /// The paths that differ between two commits; with `old` zero, all paths of `new`.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn changed_files(&self, old: CommitId, new: CommitId) -> Result<Changes, ReadError> {
        let failed = |source| ReadError::Object { commit: new, what: "the changes", source };
        let before = if old.is_zero() { None } else { Some(self.find(old)?.tree().map_err(failed)?) };
        let after = self.find(new)?.tree().map_err(failed)?;
        let mut options = git2::DiffOptions::new();
        options.skip_binary_check(true).ignore_submodules(false);
        let diff =
            self.git.diff_tree_to_tree(before.as_ref(), Some(&after), Some(&mut options)).map_err(failed)?;
        let mut changes = Changes::default();
        for delta in diff.deltas() {
            if changes.paths.len() == MAX_CHANGED_FILES {
                changes.truncated = true;
                break;
            }
            let path = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes());
            changes.paths.extend(path.map(|path| String::from_utf8_lossy(path).into_owned()));
        }
        Ok(changes)
    }

    /// Whether an update from `old` to `new` is a fast-forward: `new` contains every commit of `old`.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn is_ancestor(&self, old: CommitId, new: CommitId) -> Result<bool, ReadError> {
        let (old, new) = (self.find(old)?.id(), self.find(new)?.id());
        let failed = |source| ReadError::Object { commit: commit_id(new), what: "the history", source };
        Ok(old == new || self.git.graph_descendant_of(new, old).map_err(failed)?)
    }

    /// Whether the history of a commit ends where a shallow repository does: what came before cannot be known.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn is_cut(&self, new: CommitId) -> Result<bool, ReadError> {
        if !self.git.is_shallow() {
            return Ok(false);
        }
        let failed = |source| ReadError::Object { commit: new, what: "the history", source };
        // A list that vanishes meanwhile: the history is whole now.
        let listed = std::fs::read_to_string(self.git.path().join("shallow")).unwrap_or_default();
        for edge in listed.lines().filter_map(|line| CommitId::parse(line).ok()) {
            let edge = git2::Oid::from_bytes(edge.as_bytes()).map_err(failed)?;
            let new = git2::Oid::from_bytes(new.as_bytes()).map_err(failed)?;
            if edge == new || self.git.graph_descendant_of(new, edge).unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The commit that an id points to, through annotated tags.
    pub(super) fn find(&self, id: CommitId) -> Result<git2::Commit<'_>, ReadError> {
        let object = git2::Oid::from_bytes(id.as_bytes()).and_then(|oid| self.git.find_object(oid, None));
        let object = object.map_err(|source| {
            if source.code() == git2::ErrorCode::NotFound {
                ReadError::Missing(id)
            } else {
                ReadError::Object { commit: id, what: "the object", source }
            }
        })?;
        let kind = object.kind().map_or("unknown object", |kind| kind.str());
        object.peel_to_commit().map_err(|source| {
            if source.code() == git2::ErrorCode::NotFound {
                ReadError::Object { commit: id, what: "the target of the tag", source }
            } else {
                ReadError::NotACommit { id, kind }
            }
        })
    }

    /// The repository of libgit2.
    pub(super) fn git(&self) -> &git2::Repository {
        &self.git
    }
}

/// The mode of a symbolic link in a tree.
pub(super) const LINK: i32 = 0o120_000;

/// Converts an object id of libgit2, which is SHA-1 here.
pub(super) fn commit_id(oid: git2::Oid) -> CommitId {
    let mut bytes = [0; 20];
    bytes.iter_mut().zip(oid.as_bytes()).for_each(|(to, from)| *to = *from);
    CommitId::from_bytes(bytes)
}

/// Subtracts a file's size from the rest of the limit.
pub(super) fn take(path: &[u8], size: u64, left: u64) -> Result<u64, ReadError> {
    if size > MAX_PIPELINE_FILE {
        let what = String::from_utf8_lossy(path).into_owned();
        return Err(ReadError::TooLarge { what, size, limit: MAX_PIPELINE_FILE });
    }
    left.checked_sub(size).ok_or_else(|| ReadError::TooLarge {
        what: "everything below .quire".to_owned(),
        size: MAX_PIPELINE_BYTES - left + size,
        limit: MAX_PIPELINE_BYTES,
    })
}
