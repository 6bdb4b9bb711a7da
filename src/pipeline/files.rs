//! The files that a pipeline can be in, and which of them counts.

use std::path::PathBuf;

use super::fennel::ENTRY;
use super::work::FolderWork;
use crate::model::{Diagnostic, Severity};
use crate::script::SourceFile;

/// The files of a pipeline, whatever language it is written in.
#[derive(Debug, Clone, Default)]
pub struct PipelineFiles {
    /// The id of the `.quire` tree; nothing for a working copy.
    pub(crate) tree: Option<String>,
    /// Whether there is a `.quire/ci.lua`.
    pub(crate) has_lua: bool,
    /// `.quire/ci.fnl`.
    pub(crate) entry: Option<SourceFile>,
    /// The files below `.quire/lib`.
    pub(crate) lib: Vec<SourceFile>,
    /// The other files below `.quire`: an image can be built of them.
    pub(crate) others: Vec<SourceFile>,
    /// `workflow/<branch>.toml` of the branch that is run.
    pub(crate) workflow: Option<SourceFile>,
    /// What a run of a job folder runs, and the folder of that run: there are no other files then.
    pub(crate) work: Option<Box<(FolderWork, PathBuf)>>,
}

impl PipelineFiles {
    /// The workflow, when it is what declares the jobs: nothing in `.quire` does.
    pub(crate) fn used_workflow(&self) -> Option<&SourceFile> {
        self.workflow.as_ref().filter(|_| self.entry.is_none() && !self.has_lua)
    }

    /// The file that declares the jobs.
    pub(crate) fn declaring(&self) -> Option<&SourceFile> {
        self.entry.as_ref().or_else(|| self.used_workflow())
    }

    /// The path of the file that declares the jobs, or that should.
    pub(crate) fn declaring_path(&self) -> &str {
        self.declaring().map_or(ENTRY, |file| &file.path)
    }

    /// A warning of a workflow that does not count.
    pub(crate) fn unused(&self) -> Option<Diagnostic> {
        let workflow = self.workflow.as_ref().filter(|_| self.used_workflow().is_none())?;
        let used = if self.entry.is_some() { ENTRY } else { ".quire/ci.lua" };
        let message = format!("this file is not used: {used} declares the jobs");
        let warning = Diagnostic::error(workflow.path.clone(), message).help("remove one of the two");
        Some(Diagnostic { severity: Severity::Warning, ..warning })
    }
}
