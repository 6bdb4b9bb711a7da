//! Where the scripts of a job folder run: the folder of the run, its profiles, and the files with secret arguments.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::confine::Confiner;
use super::filling::Fill;
use super::fired::fired;
use super::objects::GitFolder;
use super::order::Order;
use super::place::Place;
use super::subject::lost_argument;
use crate::container::MemoryFolder;
use crate::event::Event;
use crate::executor::{Environment, Workspace};
use crate::model::RunMark;
use crate::pipeline::{BASH_PROFILE, FolderWork, POWERSHELL_PROFILE, PipelineFiles};
use crate::secret::SecretValues;
use crate::sys::process::keep_files_private;

/// Where a script on the host finds the values of secret arguments, below the folder of the run.
const SECRETS: &str = "secrets";

/// The job that asks for the secrets of a run: they are arguments of all of it.
const ANY_JOB: &str = "";

/// Where the scripts of a job folder run.
pub(super) struct FolderPlace {
    pub(super) workspace: Workspace,
    pub(super) environment: Environment,
    pub(super) confiner: Arc<Confiner>,
    pub(super) files: PipelineFiles,
    secrets: Vec<(String, Vec<u8>)>,
}

impl FolderPlace {
    /// For a run of this work.
    ///
    /// # Errors
    /// What keeps its scripts from being started.
    pub(super) fn new(
        order: &Order,
        place: &Place,
        work: &FolderWork,
        secrets: &SecretValues,
    ) -> Result<Self, String> {
        let run = place.run_dir.join("work");
        let (environment, confiner) = place.of_steps(order, (run.clone(), work.cwd.clone()));
        let files =
            PipelineFiles { work: Some(Box::new((work.clone(), run.clone()))), ..PipelineFiles::default() };
        let secrets = work.secrets.iter().map(|name| match secrets.get(name, ANY_JOB) {
            Some(Ok(value)) => Ok((name.clone(), value)),
            Some(Err(_)) | None => Err(lost_argument(name)),
        });
        let secrets = secrets.collect::<Result<_, _>>()?;
        Ok(Self {
            workspace: Workspace::new(run).of(place.steps.account()),
            environment,
            confiner,
            files,
            secrets,
        })
    }

    /// Makes the folder of the run.
    pub(super) fn fill(&self, mark: RunMark, work: &FolderWork, (event, repo): (Event, String)) -> Fill {
        let (confiner, into) = (Arc::clone(&self.confiner), self.workspace.path().to_owned());
        let (secrets, work) = (self.secrets.clone(), work.clone());
        let fired_in = work.folder.clone();
        let files = move |_: &AtomicBool| {
            let failed = |error: io::Error| format!("could not make the folder of the run: {error}");
            make(&into, &work).map_err(failed)?;
            if !secrets.is_empty() {
                give_secrets(mark, &into, &secrets)
                    .map_err(|error| format!("the secret arguments cannot be given to scripts: {error}"))?;
            }
            fired(&event, &repo, (&GitFolder::new(fired_in), None))
        };
        let then = move || {
            confiner.prepare()?;
            // The runner leads this run only.
            keep_files_private();
            Ok(())
        };
        Fill { files: Box::new(files), then: Box::new(then) }
    }
}

/// Makes the folder with its profiles.
fn make(into: &Path, work: &FolderWork) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(into)?;
    for (name, text) in [(BASH_PROFILE, &work.bash), (POWERSHELL_PROFILE, &work.powershell)] {
        let path = into.join(name);
        path.parent().map_or(Ok(()), |above| DirBuilder::new().recursive(true).mode(0o755).create(above))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Writes the values in memory, for the user of the scripts alone, and links to them.
fn give_secrets(mark: RunMark, into: &Path, secrets: &[(String, Vec<u8>)]) -> io::Result<()> {
    let memory = MemoryFolder::create(mark, "arguments")?;
    let files = memory.files_for(SECRETS, secrets, None)?;
    // It is removed with everything that the run has in memory.
    std::mem::forget(memory);
    symlink(files, into.join(SECRETS))
}
