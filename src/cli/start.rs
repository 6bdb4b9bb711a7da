//! `quire run`: starts the jobs of a commit that need `:quire/manual`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Map, Value, json};

use super::ask::perform;
use super::exit::{Code, Ended, Failure, print, print_json};
use super::{declared, logs, ops};
use crate::app::{self, NamedRun, PlanRun, StartRun};
use crate::config::DataDir;
use crate::event::Trigger;
use crate::sys::user;
use crate::view::{PlanShape, plan_lines};

/// What is to be started.
#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// A job folder below ./scripts, with its arguments (`quire plan JOB` shows them); foo for all jobs of the repository foo
    /// that need :quire/manual, or foo:deploy for one of them
    job: String,
    /// The branch or tag [default: the default branch]
    #[arg(long, value_name = "REF", allow_hyphen_values = true)]
    r#ref: Option<String>,
    /// A commit in the history of a branch or tag
    #[arg(long, value_name = "SHA", conflicts_with = "ref")]
    sha: Option<String>,
    /// An argument of the jobs, as a string
    #[arg(long = "arg", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    arg: Vec<String>,
    /// The arguments of the jobs, as a JSON object
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// An environment variable of the steps
    #[arg(long = "var", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    var: Vec<String>,
    /// Wait until the run has ended; the exit code is its verdict
    #[arg(long)]
    pub(super) wait: bool,
    /// Print the output until the run has ended; the exit code is its verdict
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Print the answer as JSON
    #[arg(long, conflicts_with = "follow")]
    pub(super) json: bool,
    /// The arguments that the jobs declare
    #[arg(skip)]
    pub(super) declared: Map<String, Value>,
    /// Whether nothing is to be run
    #[arg(skip)]
    pub(super) is_plan: bool,
}

impl StartArgs {
    /// The repository, and its job if one is named.
    fn repo_and_job(&self) -> (&str, Option<&str>) {
        repo_and_job(&self.job)
    }

    /// The arguments: those of the object, over them the strings, over them those that the jobs declare.
    fn arguments(&self) -> Result<Map<String, Value>, Failure> {
        let mut all = arguments(self.args.as_deref(), &self.arg)?;
        all.extend(self.declared.clone());
        Ok(all)
    }

    /// What is to be planned.
    pub(super) fn plan(&self) -> Result<PlanRun, Failure> {
        let (repo, job) = self.repo_and_job();
        Ok(PlanRun {
            repo: repo.to_owned(),
            r#ref: self.r#ref.clone(),
            sha: self.sha.clone(),
            job: job.map(str::to_owned),
            event: Some(Trigger::Manual.as_str().to_owned()),
            args: Some(self.arguments()?),
            files_changed: None,
        })
    }

    /// The body of the request over HTTP.
    pub(super) fn body(&self) -> Result<Value, Failure> {
        let (repo, job) = self.repo_and_job();
        let (args, vars) = (self.arguments()?, pairs("--var", &self.var)?);
        let mut body = json!({ "repo": repo, "args": args, "vars": vars });
        let members = [("ref", self.r#ref.as_deref()), ("sha", self.sha.as_deref()), ("job", job)];
        if let Some(body) = body.as_object_mut() {
            body.extend(
                members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))),
            );
        }
        Ok(body)
    }
}

/// The parts of `REPO[:JOB]`.
pub(super) fn repo_and_job(target: &str) -> (&str, Option<&str>) {
    target.split_once(':').map_or((target, None), |(repo, job)| (repo, Some(job)))
}

/// `quire run`.
pub(super) fn run(data: &DataDir, args: &StartArgs) -> Ended {
    if args.is_plan {
        return print_plan(PlanShape::of(perform(data, args.plan()?)?), args);
    }
    let (repo, job) = args.repo_and_job();
    let request = StartRun {
        repo: repo.to_owned(),
        r#ref: args.r#ref.clone(),
        sha: args.sha.clone(),
        job: job.map(str::to_owned),
        args: args.arguments()?,
        vars: pairs("--var", &args.var)?,
        by: user::login_name(),
    };
    let started = perform(data, request);
    let NamedRun { id, repo, number } = started.map_err(|problem| {
        let is_unknown = problem.code == app::Code::RepoNotFound && job.is_none();
        let hint = match std::env::current_dir() {
            Ok(_) => "quire jobs lists the job folders here, quire repo list the repositories",
            Err(_) => {
                "the working directory does not exist any more, and has no job folders: cd to another one"
            }
        };
        if is_unknown { problem.hint(hint) } else { problem }
    })?;
    let name = format!("{repo}#{number}");
    if args.wait && args.json {
        return ops::wait(data, &name, true);
    }
    if args.json {
        ops::print_named(data, &id)?;
    } else {
        print(&format!("{name}\n"));
    }
    if args.follow {
        logs::logs(data, &name, logs::Options { job: None, follow: true, json: false, limit: None })?;
    }
    if args.follow || args.wait { ops::wait(data, &name, false) } else { Ok(Code::Done) }
}

/// Prints which jobs would run, and with which arguments.
pub(super) fn print_plan(plan: PlanShape, args: &StartArgs) -> Ended {
    if args.json {
        print_json(&json!(plan));
    } else {
        print(&plan_lines(&plan.jobs));
        print(&declared::arguments_text(&plan.jobs));
    }
    Ok(Code::Done)
}

/// The arguments: those of the object, and over them the strings.
pub(super) fn arguments(object: Option<&str>, strings: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut all: Map<String, Value> = match object.map(serde_json::from_str).transpose() {
        Ok(object) => object.unwrap_or_default(),
        Err(error) => {
            let wrong = format!("--args is not a JSON object: {error}");
            return Err(
                Failure::new(Code::Usage, wrong).hint("--args '{\"to\": \"staging\", \"replicas\": 3}'")
            );
        }
    };
    all.extend(pairs("--arg", strings)?.into_iter().map(|(name, value)| (name, Value::String(value))));
    Ok(all)
}

fn pairs(option: &str, given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut pairs = BTreeMap::new();
    for pair in given {
        let wrong = |what: &str| {
            Failure::new(Code::Usage, format!("{option} {pair}: {what}"))
                .hint(format!("write {option} NAME=VALUE, once for each name"))
        };
        let (name, value) = pair.split_once('=').ok_or_else(|| wrong("the value is missing"))?;
        if name.is_empty() {
            return Err(wrong("the name is missing"));
        }
        if pairs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(wrong("the name is given twice"));
        }
    }
    Ok(pairs)
}
