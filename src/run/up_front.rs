//! What can be known of containers before anything runs: the images and services that jobs declare.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::drive::Ended;
use super::step::ended_so;
use crate::container::{Containers, image_of, request};
use crate::journal::Fact;
use crate::model::{Outcome, chain};
use crate::pipeline::{Job, JobGraph};
use crate::policy::ContainerRequest;
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
    let mut jobs: BTreeMap<Outcome, Vec<&str>> = BTreeMap::new();
    let mut boxed: Vec<&Job> = Vec::new();
    let asked: Vec<_> = graph.jobs().iter().map(|job| (job, requests_of(containers, job))).collect();
    containers.declare(asked.iter().flat_map(|(_, requests)| requests).flatten());
    for (job, requests) in asked {
        let (mut outcome, mut reasons) = (Outcome::Failed, Vec::new());
        if !requests.is_empty() {
            boxed.push(job);
        }
        for decided in requests {
            let decided = decided.and_then(|request| containers.decide(job.id.as_str(), &request));
            match decided {
                Ok(()) => {}
                Err(HostError::Denied(reason)) => {
                    outcome = Outcome::Denied;
                    reasons.push(reason);
                }
                Err(HostError::Refused(reason)) => reasons.push(reason),
                Err(HostError::Broken(problem)) => return Err(problem),
            }
        }
        if !reasons.is_empty() {
            jobs.entry(outcome).or_default().push(job.id.as_str());
            end(containers, job, outcome, reasons.join("\n"))?;
        }
    }
    if let Some((outcome, reason)) = summary(&jobs) {
        return Ok(Some((outcome, Some(format!("{reason}, so nothing was started")))));
    }
    if !boxed.is_empty()
        && let Err(problem) = containers.engine().await
    {
        for job in boxed {
            end(containers, job, Outcome::Failed, problem.to_string())?;
        }
        return Ok(Some((Outcome::Failed, Some(problem.to_string()))));
    }
    Ok(None)
}

/// Writes down that a job does not begin.
fn end(containers: &Containers, job: &Job, outcome: Outcome, reason: String) -> Result<(), String> {
    let (job, outcome) = (job.id.to_string(), outcome.as_str().to_owned());
    let fact = Fact::JobEnded { job, outcome, reason: Some(reason) };
    containers.recorder.write(fact).map_err(|error| chain(&error))
}

/// How a run ends none of whose jobs began, when some of them cannot.
fn summary(jobs: &BTreeMap<Outcome, Vec<&str>>) -> Option<(Outcome, String)> {
    let (outcome, jobs) = jobs.get_key_value(&Outcome::Denied).or_else(|| jobs.first_key_value())?;
    Some((*outcome, ended_so(jobs, *outcome)))
}

/// The containers that one job declares.
fn requests_of(containers: &Containers, job: &Job) -> Vec<Result<ContainerRequest, HostError>> {
    let (options, name) = (&job.options.container, job.id.to_string());
    let mut requests = Vec::new();
    if let Some(image) = &job.options.image {
        let image = image_of(containers, &name, &name, image);
        requests.push(image.and_then(|image| request(&name, image, options).map_err(HostError::Refused)));
    }
    for service in &options.services {
        let subject = format!("{name}/{}", service.name);
        requests.push(image_of(containers, &name, &subject, &service.image).and_then(|image| {
            let mut asked = request(&subject, image, &service.options).map_err(HostError::Refused)?;
            if let Some(network) = &options.network {
                asked.network.clone_from(network);
            }
            Ok(asked)
        }));
    }
    requests
}
