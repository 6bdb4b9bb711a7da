//! `quire ci check`: the pipeline of a working copy, checked by the engine that runs it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::ci_workflow as workflow;
use super::exit::{Code, Ended, Failure, print, print_error, print_json};
use crate::journal::{DiagnosticFact, JobFact};
use crate::model::{Diagnostic, render_all};
use crate::pipeline::{JobGraph, PipelineFiles};
use crate::run::{OnlyEvaluated, end_process, job_facts, sort_files};

/// The memory of the VM that checks, in bytes.
pub(crate) const VM_MEMORY: usize = 256 << 20;

/// The most bytes of files below `.quire`.
const MAX_BYTES: u64 = 10 << 20;

/// Where a first pipeline is.
const FIRST_PIPELINE: &str = "CI-FENNEL.md shows a first pipeline";

/// `quire ci check`.
pub(super) fn check(path: &Path, as_json: bool) -> Ended {
    let root = find_root(path)?;
    let files = read_files(&root)?;
    let checked = evaluate(&files, as_json).map(|(graph, warnings)| (job_facts(&graph), warnings));
    if as_json {
        return report_json(&checked);
    }
    let (jobs, warnings) = checked.map_err(|wrong| Failure::mistakes(&wrong))?;
    print_error(&render_all(&warnings));
    let width = jobs.iter().map(|job| job.id.len()).max().unwrap_or_default();
    for job in &jobs {
        print(&format!("{:<width$}  needs {}\n", job.id, job.needs.join(" ")));
    }
    let count = if jobs.len() == 1 { "1 job".to_owned() } else { format!("{} jobs", jobs.len()) };
    print_error(&format!("{}: {count}, no mistakes\n", files.declaring_path()));
    Ok(Code::Done)
}

type Checked = Result<(Vec<JobFact>, Vec<Diagnostic>), Vec<Diagnostic>>;

fn report_json(checked: &Checked) -> Ended {
    let facts = |wrong: &[Diagnostic]| wrong.iter().map(DiagnosticFact::from).collect::<Vec<_>>();
    match checked {
        Ok((jobs, warnings)) => {
            print_json(&json!({ "jobs": jobs, "diagnostics": facts(warnings) }));
            Ok(Code::Done)
        }
        Err(wrong) => {
            print_json(&json!({ "jobs": [], "diagnostics": facts(wrong) }));
            Ok(Code::Usage)
        }
    }
}

/// The root of the working copy that a path is in: the nearest folder with a `.quire`, or with the workflow of the
/// branch that is checked out there. Above the root of a repository is another project.
pub(super) fn find_root(path: &Path) -> Result<PathBuf, Failure> {
    let start = path.canonicalize();
    let start = start.map_err(|error| {
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        let why = if is_missing { " does not exist".to_owned() } else { format!(": {error}") };
        let message = format!("{}{why}", path.display());
        Failure::not_found(message).hint("the argument is the path of a working copy; all of its jobs run")
    })?;
    let mut looked_for = String::from("found no .quire/ci.fnl");
    for folder in start.ancestors() {
        if folder.join(".quire").is_dir() {
            return Ok(folder.to_owned());
        }
        if let Some(path) = workflow::checked_out(folder) {
            if workflow::exists(folder, &path) {
                return Ok(folder.to_owned());
            }
            looked_for = format!("found neither .quire/ci.fnl nor {}", path.display());
        }
        if is_repository(folder) {
            let above = if folder == start {
                String::new()
            } else {
                format!(" or above it, up to {}", folder.display())
            };
            return Err(Failure::not_found(format!("{looked_for} in {}{above}", start.display()))
                .hint(FIRST_PIPELINE));
        }
    }
    Err(Failure::not_found(format!("{looked_for} in {} or above it", start.display())).hint(FIRST_PIPELINE))
}

/// Whether a folder is the root of a working copy, or a bare repository.
fn is_repository(folder: &Path) -> bool {
    let git = folder.join(".git");
    let is_bare = || {
        folder.file_name().is_none_or(|name| name != ".git")
            && folder.join("HEAD").is_file()
            && ["objects", "refs"].iter().all(|part| folder.join(part).is_dir())
    };
    git.is_file() || git.join("HEAD").symlink_metadata().is_ok() || is_bare()
}

/// The files of a working copy's pipeline.
pub(super) fn read_files(root: &Path) -> Result<PipelineFiles, Failure> {
    let workflow = workflow::read(root)?;
    if root.join(".quire").is_symlink() {
        // As in a commit, which holds the link only.
        return Err(Failure::new(Code::Usage, ".quire is a symbolic link, and only a folder is read")
            .hint("put the folder itself there"));
    }
    let mut files = Vec::new();
    let mut folders: Vec<_> =
        Some(PathBuf::from(".quire")).filter(|path| root.join(path).is_dir()).into_iter().collect();
    let mut left = MAX_BYTES;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).map_err(|error| unreadable(&folder, &error))? {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(root.join(&path)).map_err(|error| unreadable(&path, &error))?;
                left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                    Failure::new(
                        Code::Usage,
                        format!("the files below .quire have more than {MAX_BYTES} bytes"),
                    )
                })?;
                files.push((path.to_string_lossy().into_owned().into_bytes(), bytes));
            }
        }
    }
    files.sort();
    Ok(PipelineFiles { workflow, ..sort_files(files) })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Broken, format!("could not read `{}`: {error}", path.display()))
}

/// Compiles and evaluates a pipeline; runs nothing of it. One that does not end ends the process.
pub(super) fn evaluate(
    files: &PipelineFiles,
    as_json: bool,
) -> Result<(JobGraph, Vec<Diagnostic>), Vec<Diagnostic>> {
    let late = move |mistake: Diagnostic| {
        if as_json {
            let _unusable = report_json(&Err(vec![mistake])).is_ok();
        } else {
            print_error(&mistake.render());
        }
        end_process(Code::Usage as i32)
    };
    let print = |line: &[u8]| print_error(&format!("{}\n", String::from_utf8_lossy(line)));
    let pipeline = OnlyEvaluated { files, cache: None, memory: VM_MEMORY, print };
    let (graph, warnings) = pipeline.evaluate(late)?;
    Ok((graph, warnings.iter().map(DiagnosticFact::to_diagnostic).collect()))
}
