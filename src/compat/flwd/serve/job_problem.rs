//! Why a job is not planned or started, in that program's words.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::problem::FlwdProblem;
use crate::app::{AliasProblem, JobError};
use crate::compat::flwd::NO_ENGINE;
use crate::container::UNAVAILABLE;
use crate::pipeline::argument::{ArgError, ArgErrorKind};
use crate::pipeline::folder::ConfigPart;
use crate::policy::{IMAGE_INVALID, PolicyPoint, REGISTRY_NOT_ALLOWED, SIGNATURE_REQUIRED};

/// The codes of what the bundle or an image is wrong about.
const POLICY: &str = "E_POLICY";
const IMAGE_POLICY: &str = "E_IMAGE_POLICY";
const CONFIG: &str = "E_CONFIG";

/// The problem of a job that is not planned or started.
pub(super) fn of_job(error: &JobError) -> FlwdProblem {
    let problem = |status, title: &str| FlwdProblem::new(status, title, error.to_string());
    let unprocessable =
        |title, code: &str| problem(StatusCode::UNPROCESSABLE_ENTITY, title).with("code", code);
    match error {
        JobError::NoJob => problem(StatusCode::BAD_REQUEST, "job_id is required"),
        JobError::UnknownSource(_) => problem(StatusCode::NOT_FOUND, "source not found"),
        JobError::SourceNotMaterialized(_) => problem(StatusCode::BAD_REQUEST, "source not materialized"),
        JobError::UnknownJob { job, near } => {
            let meant = near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let text = format!("there is no job `{job}`{meant}");
            FlwdProblem::new(StatusCode::NOT_FOUND, "job not found", text)
        }
        JobError::Alias(alias) => of_alias(alias),
        JobError::Arguments(wrong) => of_arguments(wrong),
        JobError::NoArguments(_) => problem(StatusCode::BAD_REQUEST, "job does not accept arguments"),
        JobError::Config { part, .. } => unprocessable(
            match part {
                ConfigPart::Job => "load config failed",
                ConfigPart::Steps => "invalid dag configuration",
                ConfigPart::Step => "invalid dag step",
            },
            CONFIG,
        ),
        JobError::Profile { is_known: false, .. } => unprocessable("invalid security profile", POLICY),
        JobError::Profile { is_known: true, .. } => {
            problem(StatusCode::FORBIDDEN, "security profile denied").with("code", "profile.denied")
        }
        JobError::Denied { code, point, run, .. } => {
            let (title, code) = denial(code, *point);
            let denied = unprocessable(title, code);
            if run.is_empty() { denied } else { denied.with("run_id", run.as_str()) }
        }
        JobError::NoEngine(_) => unprocessable(NO_ENGINE, UNAVAILABLE),
        JobError::NoCommand { source_name, job } => {
            let problem = problem(StatusCode::NOT_IMPLEMENTED, "oci add-on runs not yet supported");
            let manifest = json!({"source": source_name, "job": job});
            problem
                .with("code", "E_OCI_RUN_UNSUPPORTED")
                .with("source", source_name.as_str())
                .with("manifest", manifest)
        }
        JobError::Problem(problem) => problem.clone().into(),
    }
}

fn of_alias(alias: &AliasProblem) -> FlwdProblem {
    let (status, title) = match alias.code.as_str() {
        "alias.collision" => (StatusCode::CONFLICT, "alias collision"),
        "alias.configuration.invalid" => (StatusCode::BAD_REQUEST, "invalid alias configuration"),
        _ => (StatusCode::BAD_REQUEST, "alias invalid"),
    };
    let problem = FlwdProblem::new(status, title, alias.detail.as_str())
        .with("code", alias.code.as_str())
        .with("alias", alias.alias.as_str());
    match alias.contenders.is_empty() {
        true => problem,
        false => problem.with("contenders", json!(alias.contenders)),
    }
}

fn of_arguments(wrong: &[ArgError]) -> FlwdProblem {
    let texts: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    let errors: Vec<Value> =
        wrong.iter().map(|wrong| json!({"arg": wrong.arg, "message": wrong.message})).collect();
    let (status, title) = match wrong.iter().all(|wrong| wrong.kind == ArgErrorKind::Rule) {
        true => (StatusCode::UNPROCESSABLE_ENTITY, "argument validation failed"),
        false => (StatusCode::BAD_REQUEST, "invalid arguments"),
    };
    FlwdProblem::new(status, title, texts.join("; ")).with("errors", errors)
}

/// The title and the code of a denial.
fn denial(code: &str, point: Option<PolicyPoint>) -> (&'static str, &str) {
    match code {
        REGISTRY_NOT_ALLOWED => ("image registry not allowed", code),
        SIGNATURE_REQUIRED => ("image signature required", code),
        IMAGE_INVALID => ("invalid container image", IMAGE_POLICY),
        "policy.ceiling.exceeded" if point == Some(PolicyPoint::Memory) => {
            ("container memory exceeds policy ceiling", IMAGE_POLICY)
        }
        "policy.ceiling.exceeded" => ("container cpu exceeds policy ceiling", IMAGE_POLICY),
        "policy.bundle.invalid" | "request.invalid" => ("policy error", POLICY),
        _ => ("policy override denied", code),
    }
}
