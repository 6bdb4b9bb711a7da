//! Runs that somebody starts: a form for each job on `:quire/manual`, with the arguments that it declares.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};

use super::ask::{Ask, lead_to};
use super::change::Form;
use super::frame::Frame;
use crate::app::{ListRepoJobs, Operation as _, StartRun};
use crate::http::problem::Refused;
use crate::model::Scope;
use crate::pipeline::argument::{ArgKind, ArgSpec, read_words};
use crate::run::ManualJob;
use crate::view::one_line;

/// What the name of a field of an argument begins with.
const ARGUMENT: &str = "arg.";

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    frame: Frame,
    path: String,
    repo: String,
    may_start: bool,
    jobs: Vec<Job>,
}

/// A job that can be started.
struct Job {
    id: String,
    takes_any: bool,
    fields: Vec<Field>,
}

/// A field of a form.
struct Field {
    name: String,
    /// `select`, `lines`, or the type of an `input`.
    kind: &'static str,
    what: String,
    choices: Vec<String>,
    default: String,
    is_required: bool,
    step: &'static str,
}

/// `GET /{repo}/run`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let (repo, _) = ask.repo(Scope::RunsRead).await?;
    // The pipeline may have to be evaluated: not for everybody.
    let may_start = ask.caller.repo_to_change(&ask.app, Scope::RunsWrite, &repo.name).await.is_ok();
    let name = repo.name.to_string();
    let found = match may_start {
        true => ListRepoJobs { repo: Some(name.clone()) }.perform(&ask.app).await?.jobs,
        false => Vec::new(),
    };
    let (frame, path) =
        (ask.frame("ci", "Start a run").below("run", format!("/{name}/run")), format!("/{name}"));
    let jobs = found.into_iter().map(|found| Job::of(found.job)).collect();
    ask.html(StartPage { frame, path, repo: name, may_start, jobs }).await
}

/// `POST /{repo}/run`
pub(super) async fn start(ask: &Ask, form: &Form) -> Result<Response, Refused> {
    let (repo, _) = ask.caller.repo_to_change(&ask.app, Scope::RunsWrite, &ask.address.repo).await?;
    let app = ask.app.acting_as(&ask.caller);
    let name = repo.name.to_string();
    let jobs = ListRepoJobs { repo: Some(name.clone()) }.perform(&app).await?.jobs;
    let declared = jobs.iter().find(|found| Some(found.job.id.as_str()) == form.get("job"));
    let specs = declared.and_then(|found| found.job.arguments.clone()).unwrap_or_default();
    let request = StartRun {
        repo: name,
        r#ref: form.get("ref").map(str::to_owned),
        job: form.get("job").map(str::to_owned),
        args: arguments(&specs, form)?,
        by: Some(ask.caller.actor().to_owned()),
        ..StartRun::default()
    };
    let named = request.perform(&app).await?;
    Ok(lead_to(StatusCode::SEE_OTHER, &format!("/{}/run/{}", named.repo, named.number)))
}

/// The arguments that a form gives; what it leaves empty is not given.
fn arguments(specs: &[ArgSpec], form: &Form) -> Result<Map<String, Value>, Refused> {
    let (mut words, mut secrets) = (Vec::new(), Map::new());
    for spec in specs {
        let Some(value) = form.get(&format!("{ARGUMENT}{}", spec.name)) else { continue };
        let word = |value: &str| format!("--{}={value}", spec.name);
        match (spec.is_secret, spec.kind) {
            (true, _) => drop(secrets.insert(spec.name.clone(), Value::from(value))),
            (false, ArgKind::Array | ArgKind::Object) => {
                words.extend(value.lines().filter(|line| !line.is_empty()).map(word));
            }
            (false, _) => words.push(word(value)),
        }
    }
    let (given, wrong) = read_words(specs, &words);
    if !wrong.is_empty() {
        return Err(crate::app::Problem::from(crate::app::JobError::Arguments(wrong)).into());
    }
    let mut values = given.values;
    values.extend(secrets);
    Ok(values)
}

impl Job {
    fn of(job: ManualJob) -> Self {
        let takes_any = job.arguments.is_none();
        Self {
            id: job.id,
            takes_any,
            fields: job.arguments.unwrap_or_default().iter().map(Field::of).collect(),
        }
    }
}

impl Field {
    fn of(spec: &ArgSpec) -> Self {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let default = match &spec.default {
            Some(Value::Array(items)) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
            Some(value) => text(value),
            None => String::new(),
        };
        let choices = match spec.is_flag() {
            true => vec!["true".to_owned(), "false".to_owned()],
            false => spec.choices.clone(),
        };
        let kind = match spec.kind {
            _ if spec.is_secret => "password",
            _ if !choices.is_empty() => "select",
            ArgKind::Array | ArgKind::Object => "lines",
            ArgKind::Integer | ArgKind::Number => "number",
            ArgKind::String | ArgKind::Boolean | ArgKind::Path | ArgKind::File | ArgKind::Directory => "text",
        };
        Self {
            name: spec.name.clone(),
            kind,
            what: one_line(&spec.description),
            choices,
            is_required: spec.is_required && spec.default.is_none(),
            step: if spec.kind == ArgKind::Integer { "1" } else { "any" },
            default,
        }
    }
}
