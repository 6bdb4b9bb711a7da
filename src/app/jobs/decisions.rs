//! What policy says about the containers of a job, before anything runs. Signatures are looked at when it runs.

use serde::{Deserialize, Serialize};

use super::error::JobError;
use crate::container::{Engine, request};
use crate::pipeline::{FolderWork, WorkContainer};
use crate::policy::{
    Decision, ImageRef, Policy, PolicyPoint, SignatureMode, Verdict, check_signature, decide,
    decide_environment, denial, invalid_image,
};
use crate::script::ContainerOptions;

/// A decision that somebody should know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub(crate) point: PolicyPoint,
    /// The word for the reason.
    pub(crate) code: String,
    /// `info` or `warning`.
    pub(crate) level: String,
    /// The reason, for people.
    pub(crate) message: String,
}

/// What policy says about the containers of a job.
///
/// # Errors
/// It denies one.
pub(super) fn findings(policy: &Policy, work: &FolderWork) -> Result<Vec<Finding>, JobError> {
    let mut decisions: Vec<Decision> = Vec::new();
    for job in &work.jobs {
        if let Some(container) = &job.container {
            decisions.extend(of_container(policy, &job.id, container)?);
        }
    }
    if work.asks_for_environment() {
        decisions.extend(decide_environment(policy, &work.config));
    }
    let (denied, others): (Vec<_>, Vec<_>) =
        decisions.into_iter().partition(|decision| decision.verdict == Verdict::Deny);
    if !denied.is_empty() {
        let reason = denial(&denied);
        let (code, text) = (reason.code.clone(), reason.to_string());
        let point = denied.first().map(|denied| denied.point);
        return Err(JobError::Denied { code, point, text, run: String::new() });
    }
    let finding = |decision: Decision| Finding {
        point: decision.point,
        code: decision.code.to_owned(),
        level: if decision.verdict == Verdict::Warn { "warning" } else { "info" }.to_owned(),
        message: decision.reason,
    };
    Ok(others.into_iter().map(finding).collect())
}

/// Whether an image of the job that is on this machine lacks the signature that the bundle requires. Blocking. One that is pulled is
/// looked at when its step runs.
pub(super) fn lacks_signature(policy: &Policy, work: &FolderWork, environment: &[(String, String)]) -> bool {
    if policy.signature_mode() != SignatureMode::Required {
        return false;
    }
    let variables = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let Ok(engine) = Engine::find(&variables) else { return false };
    let images = work.jobs.iter().filter_map(|job| Some((&job.id, job.container.as_ref()?)));
    images.into_iter().any(|(job, container)| {
        let Ok(image) = ImageRef::parse(&container.image) else { return false };
        let Ok(Some(found)) = engine.local_image(&image.qualified().to_string()) else { return false };
        let decision = check_signature(policy, job, &image.pinned(found.digest.as_deref()), environment);
        decision.is_some_and(|decision| decision.verdict == Verdict::Deny)
    })
}

fn of_container(policy: &Policy, job: &str, container: &WorkContainer) -> Result<Vec<Decision>, JobError> {
    let image = match ImageRef::parse(&container.image) {
        Ok(image) => image,
        Err(error) => return Ok(vec![invalid_image(job, &error)]),
    };
    let request = request(job, image, &options(container)).map_err(JobError::config)?;
    Ok(decide(policy, &request))
}

fn options(container: &WorkContainer) -> ContainerOptions {
    ContainerOptions {
        network: container.network.clone(),
        cpus: container.cpus.clone(),
        memory: container.memory.clone(),
        caps: container.caps.clone(),
        rootfs_writable: container.rootfs_writable,
        env_inheritance: container.env_inheritance,
        privileged: container.privileged.iter().map(|argument| format!("extra-args={argument}")).collect(),
        ..ContainerOptions::default()
    }
}
