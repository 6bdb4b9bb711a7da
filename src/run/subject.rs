//! What a run is of: the pipeline of a commit, or a job folder; and where it is run.

use std::path::PathBuf;
use std::sync::Arc;

use super::confine::Confiner;
use super::early_vm::ReadyPipeline;
use super::filling::Fill;
use super::folder_place::FolderPlace;
use super::objects::{GitFolder, Objects};
use super::order::Order;
use super::place::Place;
use super::runner::RunnerError;
use super::speculation::Prepared;
use super::steps_here::StepsHere;
use crate::event::Event;
use crate::executor::{Environment, Workspace};
use crate::model::{RunMark, codes};
use crate::pipeline::{FOLDER_INSIDE, FolderWork, PipelineFiles};
use crate::secret::SecretValues;

/// The reason of a run that is about no ref update.
const NO_COMMIT: &str =
    "the run is about no commit: this version of quire runs the pipelines of commits only";

/// The reason of a run whose secret argument was in the memory of a server that has ended.
pub(super) fn lost_argument(name: &str) -> String {
    format!(
        "the value of the secret argument `{name}` is gone: it was only in the memory of the server, which has been started again"
    )
}

/// What is run, and where.
pub(super) struct Subject {
    pub(super) files: PipelineFiles,
    /// The pipeline, when it is compiled already.
    pub(super) loaded: Option<ReadyPipeline>,
    pub(super) fill: Fill,
    pub(super) workspace: Workspace,
    pub(super) environment: Environment,
    pub(super) confiner: Arc<Confiner>,
    pub(super) mounts: Vec<(PathBuf, &'static str)>,
}

/// Why it cannot be run: the code of a reason, and its text.
pub(super) type Unusable = (&'static str, String);

impl Subject {
    /// The pipeline of a commit, with what is prepared of it.
    pub(super) fn commit(
        order: &Order,
        place: &Place,
        (event, secrets): (Event, &SecretValues),
        prepared: Option<Prepared>,
    ) -> Result<Result<Self, Unusable>, RunnerError> {
        let unusable = |why: String| Ok(Err((codes::PIPELINE, why)));
        if let Some(name) = event.secret_arguments().iter().find(|name| secrets.argument(name).is_none()) {
            return Ok(Err((codes::NOT_STARTED, lost_argument(name))));
        }
        let Some(update) = event.subject.clone() else { return unusable(NO_COMMIT.to_owned()) };
        let objects: Arc<dyn Objects> = Arc::new(GitFolder::new(place.git_dir.clone()));
        let is_wanted = prepared.as_ref().map(Prepared::is_wanted);
        let (ready, checkout) = prepared.map(Prepared::into_parts).unzip();
        let (files, loaded) = match ready.flatten() {
            Some((files, loaded)) => (files, Some(loaded)),
            None => match objects.pipeline_files(&update) {
                Ok(files) => (files, None),
                Err(reason) => return unusable(reason),
            },
        };
        let mut steps = StepsHere::new(order, place, &update).map_err(RunnerError::Broken)?;
        if let Some(is_wanted) = is_wanted {
            steps.workspace = steps.workspace.wanted_while(is_wanted);
        }
        let fill = steps.fill(order.repo.clone(), (objects, checkout), (event, update));
        let StepsHere { workspace, environment, confiner, .. } = steps;
        Ok(Ok(Self { files, loaded, fill, workspace, environment, confiner, mounts: Vec::new() }))
    }

    /// A job folder.
    pub(super) fn folder(
        order: &Order,
        place: &Place,
        (mark, work): (RunMark, &FolderWork),
        (event, secrets): (Event, &SecretValues),
    ) -> Result<Self, Unusable> {
        let here = FolderPlace::new(order, place, work, secrets).map_err(|why| (codes::NOT_STARTED, why))?;
        let fill = here.fill(mark, work, (event, order.repo.clone()));
        let FolderPlace { workspace, environment, confiner, files, .. } = here;
        let mounts = vec![(work.folder.clone(), FOLDER_INSIDE)];
        Ok(Self { files, loaded: None, fill, workspace, environment, confiner, mounts })
    }
}
