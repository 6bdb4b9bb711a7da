//! What can be known of containers before anything runs: the images and services that jobs declare.

use std::sync::Arc;

use super::called_step::image_of;
use super::container_request::request;
use super::containers::Containers;
use super::drive::Ended;
use crate::model::Outcome;
use crate::pipeline::{Job, JobGraph};
use crate::script::HostError;

/// Decides about every container that the jobs declare, and gives the end of a run one of which is denied, or makes
/// no sense, or cannot be had on this machine.
///
/// # Errors
/// A decision cannot be written down.
pub(super) async fn decide_up_front(
    containers: &Arc<Containers>,
    graph: &JobGraph,
) -> Result<Option<Ended>, String> {
    let (mut denied, mut wrong, mut needs_engine) = (Vec::new(), Vec::new(), false);
    for job in graph.jobs() {
        for decided in decide_job(containers, job) {
            needs_engine = true;
            match decided {
                Ok(()) => {}
                Err(HostError::Denied(reason)) => denied.push(format!("{}: {reason}", job.id)),
                Err(HostError::Refused(reason)) => wrong.push(format!("{}: {reason}", job.id)),
                Err(HostError::Broken(problem)) => return Err(problem),
            }
        }
    }
    if !denied.is_empty() {
        return Ok(Some((Outcome::Denied, Some(denied.join("\n")))));
    }
    if wrong.is_empty()
        && needs_engine
        && let Err(problem) = containers.engine().await
    {
        wrong.push(problem.to_string());
    }
    Ok((!wrong.is_empty()).then(|| (Outcome::Failed, Some(wrong.join("\n")))))
}

/// What is decided about the containers of one job.
fn decide_job(containers: &Containers, job: &Job) -> Vec<Result<(), HostError>> {
    let (options, name) = (&job.options.container, job.id.to_string());
    let mut decided = Vec::new();
    if let Some(image) = &job.options.image {
        decided.push(image_of(containers, &name, &name, image).and_then(|image| {
            let request = request(&name, image, options).map_err(HostError::Refused)?;
            containers.decide(&name, &request)
        }));
    }
    for service in &options.services {
        let subject = format!("{name}/{}", service.name);
        decided.push(image_of(containers, &name, &subject, &service.image).and_then(|image| {
            let mut asked = request(&subject, image, &service.options).map_err(HostError::Refused)?;
            if let Some(network) = &options.network {
                asked.network.clone_from(network);
            }
            containers.decide(&name, &asked)
        }));
    }
    decided
}
