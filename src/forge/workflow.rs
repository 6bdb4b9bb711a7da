//! The workflow file of a branch: `workflow/<branch>.toml` in the tree of a commit, and nowhere else.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use crate::model::{CommitId, RefKind, RefName};

use super::open::{LINK, MAX_PIPELINE_FILE, Repo, take};
use super::read_error::ReadError;

/// A workflow file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkflowFile {
    /// The path from the root of the commit; bytes that are not UTF-8 become U+FFFD.
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
}

/// The path of the workflow of a branch, from the root of its repository. Other refs have none.
///
/// The parts of the path are those of the branch's name, none of which is `..`, `.` or empty.
pub(crate) fn workflow_path(ref_name: &RefName) -> Option<PathBuf> {
    let branch = ref_name.as_bytes().strip_prefix(b"refs/heads/")?;
    (ref_name.kind() == RefKind::Branch && !branch.is_empty())
        .then(|| PathBuf::from(OsString::from_vec([b"workflow/", branch, b".toml"].concat())))
}

impl Repo {
    /// The workflow of a branch in a commit; `None` when missing.
    ///
    /// # Errors
    /// It is a link or too large, or an object is missing.
    pub(crate) fn workflow_file(
        &self,
        id: CommitId,
        ref_name: &RefName,
    ) -> Result<Option<WorkflowFile>, ReadError> {
        let failed = |source| ReadError::Object { commit: id, what: "the workflow", source };
        let Some(path) = workflow_path(ref_name) else { return Ok(None) };
        let entry = match self.find(id)?.tree().map_err(failed)?.get_path(&path) {
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
            entry => entry.map_err(failed)?,
        };
        if entry.kind() != Some(git2::ObjectType::Blob) {
            return Ok(None);
        }
        let name = path.to_string_lossy().into_owned();
        if entry.filemode() == LINK {
            return Err(ReadError::Link(name));
        }
        // The header is read first: a small object can hold a large file.
        let (size, _) = self.git().odb().and_then(|odb| odb.read_header(entry.id())).map_err(failed)?;
        take(path.as_os_str().as_bytes(), size as u64, MAX_PIPELINE_FILE)?;
        let content = self.git().find_blob(entry.id()).map_err(failed)?.content().to_vec();
        Ok(Some(WorkflowFile { path: name, content }))
    }
}
