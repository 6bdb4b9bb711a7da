//! Jobs of a server elsewhere: listed, planned and run.

use serde_json::{Value, json};

use super::client::Remote;
use crate::app::{JobPlan, JobPlanShape, PlannedScript, PlannedStep};
use crate::cli::exit::{Code, Ended, Failure, print, print_error, print_json, print_warnings, verdict};
use crate::cli::jobs::{
    JobCall, JobTarget, JobWords, RUN_OPTIONS, ShownJob, end_line, list_json, list_text, print_output_line,
    print_plan,
};
use crate::cli::place::note_if_empty;
use crate::model::percent_encoded;
use crate::pipeline::WorkContainer;
use crate::pipeline::argument::UnknownPaths;
use crate::pipeline::folder::Aliases;
use crate::sys::interrupts::watch_interrupts;
use crate::view::{RunShape, plain};

/// `quire jobs`.
pub(super) fn list(remote: &Remote, repo: Option<&str>, as_json: bool) -> Ended {
    let query = repo.map(|repo| format!("?repo={}", percent_encoded(repo))).unwrap_or_default();
    let jobs: Vec<ShownJob> = remote.get(&format!("/jobs{query}"))?;
    if as_json {
        print_json(&list_json(&jobs, &Aliases::default(), &[]));
    } else {
        note_if_empty(jobs.is_empty(), "the server has no job folders and no sources");
        print(&if jobs.is_empty() { String::new() } else { list_text(&jobs, &Aliases::default()) });
    }
    Ok(Code::Done)
}

/// `quire run` and `quire plan` of a job; nothing when the words mean none that the server has, but perhaps a repository.
pub(crate) fn call(server: &str, words: &JobWords) -> Option<Ended> {
    let jobs = Remote::new(server).and_then(|remote| Ok((remote.get::<Vec<ShownJob>>("/jobs")?, remote)));
    let known = jobs.as_ref().ok().and_then(|(jobs, _)| find(jobs, words));
    let declared = known.and_then(|(job, _)| job.args.clone()).unwrap_or_default();
    let words = &words.placed(&declared, &RUN_OPTIONS);
    let source = words.options.value("source");
    match jobs {
        Ok((jobs, remote)) => match find(&jobs, words) {
            Some((job, used)) => Some(perform(&remote, (job, used), words)),
            None if source.is_some() => Some(Err(unknown(words.first()))),
            None if words.is_plan && !is_repository(&jobs, words.first()) => {
                Some(Err(unknown(words.first())))
            }
            None => None,
        },
        Err(failure) if source.is_some() => Some(Err(failure)),
        // Who may not see the jobs may start those of a repository.
        Err(_) => None,
    }
}

/// Whether a word can mean jobs of a repository.
fn is_repository(jobs: &[ShownJob], word: &str) -> bool {
    word.contains(':') || jobs.iter().any(|job| job.repo.as_deref() == Some(word))
}

fn unknown(job: &str) -> Failure {
    Failure::not_found(format!("the server has no job `{}`", plain(job)))
        .hint("quire jobs --server URL lists them")
}

/// The job that the leading words mean, as many of them as possible, and how many these are.
fn find<'a>(jobs: &'a [ShownJob], words: &JobWords) -> Option<(&'a ShownJob, usize)> {
    let (words, source) = (&words.words, words.options.value("source"));
    let normal = |id: &str| id.replace('/', ".").to_lowercase();
    let count = words.iter().take_while(|word| !word.is_empty() && !word.starts_with('-')).count();
    let is_meant = |job: &ShownJob, name: &str| match (source, &job.source) {
        _ if job.repo.is_some() => false,
        (None, _) => normal(&job.callable()) == name,
        (Some(source), Some(own)) => {
            own.name == source && [&job.id, &job.callable()].iter().any(|id| normal(id) == name)
        }
        (Some(_), None) => false,
    };
    (1..=count).rev().find_map(|count| {
        let name = normal(&words.get(..count)?.join("/"));
        Some((jobs.iter().find(|job| is_meant(job, &name))?, count))
    })
}

fn perform(remote: &Remote, (job, used): (&ShownJob, usize), words: &JobWords) -> Ended {
    let target = JobTarget { job: job.callable(), specs: job.args.clone().unwrap_or_default(), used };
    let call = JobCall::read(target, &words.words, (&RUN_OPTIONS, words.options.clone()), &UnknownPaths)?;
    print_warnings(&call.warnings);
    if let Some(name) = ["profile", "data"].into_iter().find(|name| call.option(name).is_some()) {
        let wrong = format!("--{name} has no --server: the server has its own");
        return Err(Failure::new(Code::Usage, wrong));
    }
    let mut request = json!({ "job": job.id, "args": call.args });
    if let (Some(source), Some(request)) = (&job.source, request.as_object_mut()) {
        request.insert("source".to_owned(), source.name.as_str().into());
    }
    if words.is_plan || call.is_plan() {
        let plan = plan(job, remote.post("/plans", &request)?);
        print_plan(plan, call.has("json"));
        return Ok(Code::Done);
    }
    let run: RunShape = remote.post("/runs", &request)?;
    let followed = follow(remote, &run.id, call.has("json"));
    followed.map_err(|failure| {
        let name = run.name();
        failure.hint(format!(
            "{name} was started; who follows it holds the scopes repos:read runs:read logs:read"
        ))
    })
}

/// Prints the events of a run until it has ended.
fn follow(remote: &Remote, run: &str, as_json: bool) -> Ended {
    let path = format!("/runs/{}", percent_encoded(run));
    let (stopper, cancel) = (remote.clone(), format!("{path}/cancel"));
    watch_interrupts(move |_| {
        let (stopper, cancel) = (stopper.clone(), cancel.clone());
        std::thread::spawn(move || stopper.post::<RunShape>(&cancel, &json!({})).is_ok());
    })
    .map_err(|error| Failure::broken(&error))?;
    remote.lines(&format!("{path}/events"), "application/x-ndjson", |line| {
        if as_json {
            print(&format!("{line}\n"));
            return Ok(());
        }
        // Nobody reads it any more: the run goes on, and its end is still printed.
        let _gone = print_output_line(line.as_bytes()).is_err();
        Ok(())
    })?;
    let run: RunShape = remote.get(&path)?;
    if !as_json {
        print_error(&end_line(&run));
    }
    Ok(verdict(run.outcome()))
}

fn plan(job: &ShownJob, planned: JobPlanShape) -> JobPlan {
    let step = |script: PlannedScript| PlannedStep {
        name: script.name,
        container: script.image.map(|image| WorkContainer { image, ..WorkContainer::default() }),
    };
    JobPlan {
        job: planned.job,
        path: String::new(),
        name: job.name.clone(),
        summary: job.summary.clone(),
        interpreter: planned.interpreter,
        executor: planned.executor,
        image: None,
        has_steps: false,
        args: job.args.clone().unwrap_or_default(),
        values: planned.args,
        profile: planned.profile,
        steps: planned.steps.into_iter().map(step).collect(),
        provenance: Value::Null,
        findings: Vec::new(),
        warnings: planned.warnings,
    }
}
