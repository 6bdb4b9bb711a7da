//! Where the steps of a run run, in its place: the workspace, the environment and the isolation.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::confine::Confiner;
use super::filling::Fill;
use super::fired::fired;
use super::objects::Objects;
use super::order::Order;
use super::place::Place;
use super::speculation::Checkout;
use crate::event::{Event as RunEvent, RefUpdate};
use crate::executor::{Environment, EnvironmentError, Workspace};
use crate::forge::KeptWorkspace;
use crate::model::{RefKind, chain};

/// Where the steps of a run run, in its place.
pub(super) struct StepsHere {
    pub(super) workspace: Workspace,
    pub(super) environment: Environment,
    pub(super) confiner: Arc<Confiner>,
    kept: Option<KeptWorkspace>,
}

impl StepsHere {
    /// For a run of this update.
    ///
    /// # Errors
    /// What keeps its steps from being started.
    pub(super) fn new(order: &Order, place: &Place, update: &RefUpdate) -> Result<Self, String> {
        let kept = place.kept.as_ref().map(|(path, url)| KeptWorkspace {
            path: path.clone(),
            copy: place.git_dir.clone(),
            url: url.clone(),
            is_isolated: order.steps.sandbox || place.steps.user.is_some(),
        });
        let work = kept.as_ref().map_or_else(|| place.run_dir.join("work"), |kept| kept.path.clone());
        let (mut environment, confiner) = place.of_steps(order, (work.clone(), place.git_dir.clone()));
        let workspace = if kept.is_some() { Workspace::kept(work) } else { Workspace::new(work) };
        let workspace = workspace.of(place.steps.account());
        workspace.fence_git(&mut environment).map_err(|error| error.to_string())?;
        name_commit(&mut environment, &order.repo, update).map_err(|error| chain(&error))?;
        for (name, value) in &order.vars {
            environment.give(name, value).map_err(|error| chain(&error))?;
        }
        Ok(Self { workspace, environment, confiner, kept })
    }

    /// Writes the files of the pushed commit into the workspace.
    pub(super) fn fill(
        &self,
        repo: String,
        (objects, mut checkout): (Arc<dyn Objects>, Option<Checkout>),
        (event, update): (RunEvent, RefUpdate),
    ) -> Fill {
        let (kept, confiner) = (self.kept.clone(), Arc::clone(&self.confiner));
        let into = self.workspace.path().to_owned();
        let failed = |problem: String| format!("could not check out the commit: {problem}");
        let files = move |is_wanted: &AtomicBool| {
            let moved = checkout.take().map(|checkout| checkout.move_to(&into, update.old));
            let check_out = || match (&kept, moved) {
                (Some(kept), _) => {
                    // Until this process ends, which is when the run does: no other run of the watch works there.
                    std::mem::forget(kept.hold(is_wanted)?);
                    kept.check_out(update.new, &update.ref_name).map(|()| None)
                }
                (None, Some(Ok(pushed))) => {
                    tracing::debug!("the commit was checked out ahead of the run");
                    Ok(pushed)
                }
                (None, Some(Err(_)) | None) => objects.check_out(update.new, &into, is_wanted).map(|()| None),
            };
            check_out().and_then(|pushed| fired(&event, &repo, (&*objects, pushed))).map_err(failed)
        };
        Fill { files: Box::new(files), then: Box::new(move || confiner.prepare().map_err(failed)) }
    }
}

/// Sets the variables that say which commit a run is about.
fn name_commit(
    environment: &mut Environment,
    repo: &str,
    update: &RefUpdate,
) -> Result<(), EnvironmentError> {
    environment.set("QUIRE_REPO", repo)?;
    environment.set("QUIRE_COMMIT", update.new.to_string())?;
    let name = match update.ref_name.kind() {
        RefKind::Branch => "QUIRE_BRANCH",
        RefKind::Tag => "QUIRE_TAG",
        RefKind::Other => "QUIRE_REF",
    };
    environment.set(name, update.ref_name.short())
}
