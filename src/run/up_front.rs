//! What can be known of containers before anything runs: the images and services that jobs declare.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::drive::Ended;
use super::step::ended_so;
use crate::container::{Containers, image_of, request};
use crate::event::Start;
use crate::journal::Fact;
use crate::model::{Outcome, Reason, chain, codes};
use crate::pipeline::{Job, JobGraph};
use crate::policy::ContainerRequest;
use crate::script::HostError;

/// Decides about every container that the jobs declare, and gives the end of a run one of which is denied, or makes
/// no sense, or is not available on this machine.
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
        let (mut outcome, mut reasons) = (Outcome::Failed, Vec::<Reason>::new());
        if !requests.is_empty() {
            boxed.push(job);
        }
        for decided in requests {
            let decided = decided.and_then(|request| containers.decide(job.id.as_str(), &request));
            match decided {
                Ok(()) => {}
                Err(HostError::Denied(reason)) => {
                    outcome = Outcome::Denied;
                    reasons.push(*reason);
                }
                Err(HostError::Refused(reason)) => reasons.push(Reason::new(codes::JOB_FAILED, reason)),
                Err(HostError::Broken(problem)) => return Err(problem),
            }
        }
        if let Some(reason) = joined(reasons) {
            jobs.entry(outcome).or_default().push(job.id.as_str());
            end(containers, job, outcome, reason)?;
        }
    }
    if let Some((outcome, reason)) = summary(&jobs) {
        let reason = format!("{reason}, so nothing was started");
        return Ok(Some((outcome, Some(Reason::new(codes::JOBS, reason)))));
    }
    if !boxed.is_empty()
        && let Err(problem) = containers.engine().await
    {
        let reason = || Reason::new(codes::NOT_STARTED, problem.to_string());
        for job in boxed {
            end(containers, job, Outcome::Failed, reason())?;
        }
        return Ok(Some((Outcome::Failed, Some(reason()))));
    }
    Ok(None)
}

/// Writes down that a job does not begin.
fn end(containers: &Containers, job: &Job, outcome: Outcome, reason: Reason) -> Result<(), String> {
    let fact = Fact::job_ended(job.id.to_string(), (outcome, Some(reason)));
    containers.recorder.write(fact).map_err(|error| chain(&error))
}

/// Several reasons as one; nothing when none exists. A denial says more than a failure.
fn joined(reasons: Vec<Reason>) -> Option<Reason> {
    let code = reasons.iter().map(|reason| &reason.code);
    let code = code.clone().find(|code| *code != codes::JOB_FAILED).or_else(|| code.clone().next())?.clone();
    let text = reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("\n");
    Some(Reason { code, text, hints: reasons.into_iter().flat_map(|reason| reason.hints).collect() })
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

/// The reason of a run none of whose jobs is started.
pub(super) fn no_job(start: &Start) -> Reason {
    let names: Vec<String> = start.sources.iter().map(|source| format!("`:{}`", source.name())).collect();
    let text = match &start.root {
        None if start.only.is_some() => "`ci.only` names no job that the event starts".to_owned(),
        Some(root) => format!("`{root}` is no job that starts with {}", names.join(" or ")),
        None => format!("no job needs {}", names.join(" or ")),
    };
    Reason::new(codes::NO_JOB, text)
}
