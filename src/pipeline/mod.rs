//! From what a repository declares to one checked job graph, whatever language declared it.
//!
//! A front-end gives [`Declared`] jobs with their places; [`JobGraph::check`] finds every mistake at once. Below
//! this module the front-end makes no difference.

pub(crate) mod argument;
pub(crate) mod check;
mod cycle;
pub(crate) mod fennel;
mod files;
pub(crate) mod folder;
mod graph;
mod job_option;
mod manual_arguments;
mod only;
mod plan;
mod shell_habits;
mod started;
mod words;
mod work;
pub(crate) mod workflow;
mod workflow_reader;

pub(crate) use files::PipelineFiles;
pub(crate) use graph::{Job, JobGraph, JobOptions, Need, When};
pub(crate) use plan::Decision;
pub(crate) use work::{
    BASH_PROFILE, FOLDER_INSIDE, FolderWork, OnFailure, POWERSHELL_PROFILE, WorkContainer, WorkJob,
    WorkScript, work_id,
};
