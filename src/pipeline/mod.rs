//! From what a repository declares to one checked job graph, whatever language declared it.
//!
//! A front-end gives [`Declared`] jobs with their places; [`JobGraph::check`] finds every mistake at once. Below
//! this module the front-end makes no difference.

mod check;
mod cycle;
pub mod fennel;
mod files;
pub mod folder;
mod graph;
mod job_option;
mod plan;
mod shell_habits;
mod started;
mod words;
mod work;
pub mod workflow;
mod workflow_reader;

pub use check::{Declared, DeclaredNeed};
pub use files::PipelineFiles;
pub use graph::{Job, JobGraph, JobOptions, Need, When};
pub use plan::Decision;
pub use work::{
    BASH_PROFILE, FOLDER_INSIDE, FolderWork, OnFailure, POWERSHELL_PROFILE, WorkContainer, WorkJob,
    WorkScript, work_id,
};
