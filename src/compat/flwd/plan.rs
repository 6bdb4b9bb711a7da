//! Plans in that program's shape, for `:plan` and for `POST /plans`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::facts::members;
use crate::app::{JobPlan, PlanJob};
use crate::cli::exit::{Code, Ended, print, print_error, print_json};
use crate::cli::jobs::{
    GivenOptions, JobCall, JobOption, JobTarget, args_of_source, discovered, place_here, plan_job,
};
use crate::pipeline::argument::ArgSpec;
use crate::view::plain;

/// What `:plan` takes besides the arguments of the job.
const OPTIONS: [JobOption<'static>; 2] = [JobOption::flag("json"), JobOption::with_value("profile")];

/// `:plan JOB`.
pub(super) fn print_plan(words: &[String]) -> Ended {
    let place = place_here()?;
    let data = super::place::data_dir()?;
    let found = discovered(Some(&data), &place)?;
    let target = JobTarget::find(&found, words, |job| args_of_source(&data, &place, (job, None)).ok())?;
    let call = JobCall::read(target, words, (&OPTIONS, GivenOptions::default()), &place.cwd.as_path())?;
    call.warnings.iter().for_each(|warning| print_error(&format!("[warn] {}\n", plain(warning))));
    let profiles = super::profiles(call.option("profile"))?;
    let as_json = call.has("json");
    let request = PlanJob { job: call.job, place: Some(place), args: call.args, ..PlanJob::default() };
    let plan = plan_job(&data, request, profiles)?;
    if as_json {
        print_json(&plan_json(&plan));
    } else {
        print(&text(&plan));
    }
    Ok(Code::Done)
}

/// A plan as a document.
pub(super) fn plan_json(plan: &JobPlan) -> Value {
    let source =
        |name: &str| plan.provenance.pointer(&format!("/source/{name}")).cloned().unwrap_or_default();
    let preview = members([
        ("interpreter", json!(plan.interpreter)),
        ("executor", json!((plan.executor != "shell").then_some(&plan.executor))),
        ("container_image", json!(plan.image)),
        ("composition", json!(plan.has_steps.then_some("steps"))),
        ("resolved_digest", source("digest")),
        ("pull_policy", source("pull_policy")),
    ]);
    let steps = plan.steps.iter().map(|step| {
        let container = step.container.as_ref();
        let resources = container
            .map(|container| members([("cpu", json!(container.cpus)), ("memory", json!(container.memory))]));
        members([
            ("id", json!(step.name)),
            ("name", json!(step.name)),
            ("executor", json!(if container.is_some() { "container" } else { "proc" })),
            ("container_image", json!(container.map(|container| &container.image))),
            ("network", json!(container.map(|container| container.network.as_deref().unwrap_or("none")))),
            ("rootfs_writable", json!(container.map(|container| container.rootfs_writable))),
            ("capabilities", json!(container.map(|container| &container.caps))),
            ("resources", json!(resources.filter(|resources| !resources.is_empty()))),
        ])
    });
    let findings = plan.findings.iter();
    let findings: Vec<Value> = findings
        .map(|finding| json!({"code": finding.code, "level": finding.level, "message": finding.message}))
        .collect();
    Value::Object(members([
        ("job_id", json!(plan.job)),
        ("effective_argspec", json!({ "args": plan.args })),
        ("executor_preview", Value::Object(preview)),
        ("resolved_args", Value::Object(plan.values.clone())),
        ("security_profile", json!(plan.profile)),
        ("policy_findings", json!((!findings.is_empty()).then_some(findings))),
        ("steps", Value::Array(steps.map(Value::Object).collect())),
        ("provenance", plan.provenance.clone()),
    ]))
}

/// A plan for people.
fn text(plan: &JobPlan) -> String {
    let mut text = String::new();
    let interpreter = plan.interpreter.as_deref().unwrap_or("(none)");
    let _infallible = writeln!(text, "Job: {}\nInterpreter: {interpreter}\nArgs:", plan.job);
    if plan.args.is_empty() {
        text.push_str("  (none)\n");
    }
    for ArgSpec { name, kind, is_required, is_secret, .. } in &plan.args {
        let required = if *is_required { " (required)" } else { "" };
        let secret = if *is_secret { " [secret]" } else { "" };
        let _infallible = writeln!(text, "  - {name}: {}{required}{secret}", kind.as_str());
    }
    text.push_str("Resolved Args:\n");
    for (name, value) in &plan.values {
        let _infallible = writeln!(text, "  {name}: {value}");
    }
    plain(&text)
}
