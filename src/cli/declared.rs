//! Arguments that the jobs of a repository declare by `ci.manual`, as words: `quire run REPO:JOB --env prod`. What the words mean is
//! only known when the pipeline was evaluated.

use std::path::PathBuf;

use clap::Command;
use serde_json::{Map, Value};

use super::access::Access;
use super::ask::perform;
use super::exit::{Code, Failure, print, print_warnings};
use super::jobs::{GivenOptions, JobOption, JobWords, argument_line, read_arguments, split};
use super::start::repo_and_job;
use super::{place, remote};
use crate::app::{PlanRun, expect_jobs};
use crate::config::DataDir;
use crate::model::{JobId, RepoName};
use crate::pipeline::argument::{ArgSpec, SecretWord, UnknownPaths, read_words};
use crate::run::PlannedJob;
use crate::view::plain;

/// A call of `quire run` or `quire plan` for jobs of a repository.
pub(super) struct JobsCall {
    /// Whether nothing is to be run.
    pub(super) is_plan: bool,
    /// The words of `quire run` without the arguments of the jobs.
    pub(super) words: Vec<String>,
    /// The arguments, secret ones too.
    pub(super) arguments: Map<String, Value>,
}

/// What the words of a command line turned out to be.
pub(super) enum Asked {
    /// Nothing that is decided here.
    Other,
    /// A call with arguments that are known now, or a plan.
    Call(JobsCall),
    /// Help, which was printed.
    Help,
    /// A call of a job folder, which was performed.
    Ended(Code),
}

/// Where a command line comes from.
pub(super) enum Asker<'a> {
    /// A terminal on this machine.
    Here,
    /// Another machine, over ssh; the function has the pipeline evaluated with the rights of its user.
    OverSsh(&'a dyn Fn(PlanRun) -> Result<Vec<PlannedJob>, Failure>),
}

/// Takes the arguments that jobs declare out of the words of a command line. It evaluates the pipeline only when there is a word
/// that can be one.
///
/// # Errors
/// The pipeline cannot be used, or a word is no argument of its jobs.
pub(super) fn read(
    root: &Command,
    words: JobWords,
    known: &[JobOption<'_>],
    asker: &Asker<'_>,
) -> Result<Asked, Failure> {
    let target = words.first().to_owned();
    let has_pairs = ["arg", "args"].iter().any(|name| words.options.value(name).is_some());
    let is_plan = words.is_plan || words.options.has("dry-run");
    let is_repo = RepoName::parse(repo_and_job(&target).0).is_ok();
    if !is_repo || (!is_plan && !has_pairs && words.behind().is_empty()) {
        return Ok(Asked::Other);
    }
    let (words, jobs) = placed(words, known, asker);
    let specs = jobs.as_ref().map(|jobs| declared(jobs)).unwrap_or_default();
    let (behind, own) = split(words.behind(), &specs, known)?;
    let mut options = words.options;
    options.extend(behind);
    let (is_plan, is_help) = (is_plan || options.has("dry-run"), options.has("help"));
    let jobs = match jobs {
        Ok(jobs) => jobs,
        // A job folder was meant as well as a repository.
        Err(failure) if words.is_plan && !target.contains(':') && failure.code == Code::NotFound => {
            return Ok(Asked::Other);
        }
        // The command says what is wrong.
        Err(_) if !is_plan && (own.is_empty() || is_help) => return Ok(Asked::Other),
        Err(failure) => return Err(failure),
    };
    if is_help && !specs.is_empty() {
        print(&help(root, &jobs));
        return Ok(Asked::Help);
    }
    if specs.is_empty() && !is_plan {
        return Ok(Asked::Other);
    }
    options.take("dry-run");
    let (mut own, mut arguments) = (own, Map::new());
    if !specs.is_empty() {
        own.extend(pairs_of(&specs, &mut options));
        let help = format!("`quire run {target} --help` shows its arguments");
        if matches!(asker, Asker::OverSsh(_)) {
            expect_no_secret_of_server(&specs, &own)?;
        }
        let (given, mut warnings) = read_arguments(&specs, &own, (&UnknownPaths, &help))?;
        warnings.extend(shown_secrets(&specs, options.value("args")));
        print_warnings(&warnings);
        (own, arguments) = (Vec::new(), given);
    }
    let words = ["run".to_owned(), target].into_iter().chain(options.words()).chain(own).collect();
    Ok(Asked::Call(JobsCall { is_plan, words, arguments }))
}

/// The words with the options that say where the jobs are before the target, and the jobs that are there.
fn placed(
    words: JobWords,
    known: &[JobOption<'_>],
    asker: &Asker<'_>,
) -> (JobWords, Result<Vec<PlannedJob>, Failure>) {
    let jobs = planned(words.first(), &words.options, asker);
    let specs = jobs.as_ref().map(|jobs| declared(jobs)).unwrap_or_default();
    let placed = words.placed(&specs, known);
    let jobs =
        if placed.options == words.options { jobs } else { planned(placed.first(), &placed.options, asker) };
    (placed, jobs)
}

/// Takes out `--arg NAME=VALUE` of arguments that the jobs declare; they are `--NAME=VALUE`.
fn pairs_of(specs: &[ArgSpec], options: &mut GivenOptions) -> Vec<String> {
    let is_declared = |pair: &str| {
        let name = pair.split_once('=').map(|(name, _)| name);
        specs.iter().any(|spec| Some(spec.name.as_str()) == name)
    };
    let (own, rest): (Vec<String>, Vec<String>) =
        options.take("arg").into_iter().flatten().partition(|pair| is_declared(pair));
    rest.into_iter().for_each(|pair| options.push("arg".to_owned(), Some(pair)));
    own.into_iter().map(|pair| format!("--{pair}")).collect()
}

/// Warnings of secrets that are written out in `--args`.
fn shown_secrets(specs: &[ArgSpec], object: Option<&str>) -> Vec<String> {
    let given: Map<String, Value> =
        object.and_then(|object| serde_json::from_str(object).ok()).unwrap_or_default();
    let secrets = specs.iter().filter(|spec| spec.is_secret && given.contains_key(&spec.name));
    secrets.map(ArgSpec::shown_warning).collect()
}

/// The help of `quire run`, after the arguments of the jobs.
fn help(root: &Command, jobs: &[PlannedJob]) -> String {
    let command = root.find_subcommand("run").map(|run| run.clone().render_help().to_string());
    format!("{}\n{}", arguments_text(jobs), command.unwrap_or_default())
}

/// The jobs of the pipeline, as somebody who asks for the target would start them.
fn planned(target: &str, options: &GivenOptions, asker: &Asker<'_>) -> Result<Vec<PlannedJob>, Failure> {
    let (repo, job) = repo_and_job(target);
    let request = PlanRun {
        repo: repo.to_owned(),
        r#ref: options.value("ref").map(str::to_owned),
        sha: options.value("sha").map(str::to_owned),
        job: job.map(str::to_owned),
        event: Some("manual".to_owned()),
        ..PlanRun::default()
    };
    match (asker, options.value("server")) {
        (Asker::OverSsh(plan), _) => plan(request),
        (Asker::Here, Some(server)) => remote::planned(server, &request),
        (Asker::Here, None) => {
            let data = place::data_dir(options.value("data").map(PathBuf::from))?;
            planned_in(data, request)
        }
    }
}

/// The jobs of the pipeline of a repository in this data folder.
pub(super) fn planned_in(data: DataDir, request: PlanRun) -> Result<Vec<PlannedJob>, Failure> {
    let root = request.job.as_deref().map(JobId::parse).transpose();
    let root = root.map_err(|error| Failure::new(Code::Usage, error))?;
    let plan = perform(&place::existing(data, Access::ReadRuns)?, request)?;
    expect_jobs(root.as_ref(), &plan)?;
    Ok(plan.jobs)
}

/// Refuses secrets that are in files or variables of the server's machine.
fn expect_no_secret_of_server(specs: &[ArgSpec], words: &[String]) -> Result<(), Failure> {
    let (given, _) = read_words(specs, words);
    match given.secrets.iter().find(|(_, word)| !matches!(word, SecretWord::Stdin)) {
        None => Ok(()),
        Some((name, _)) => {
            let text = format!("the secret --{name} is not read from the server's machine over ssh");
            Err(Failure::new(Code::Usage, text).hint(format!(
                "--{name} - reads it from standard input: ssh HOST quire run … --{name} - < FILE"
            )))
        }
    }
}

/// The jobs that are given arguments.
fn asked(jobs: &[PlannedJob]) -> impl Iterator<Item = (&PlannedJob, &[ArgSpec])> {
    let asked = jobs.iter().filter(|job| job.is_started_by_hand());
    asked.filter_map(|job| Some((job, job.arguments.as_deref()?)))
}

/// What the started jobs declare; of two arguments with one name the first.
fn declared(jobs: &[PlannedJob]) -> Vec<ArgSpec> {
    let mut specs: Vec<ArgSpec> = Vec::new();
    for spec in asked(jobs).flat_map(|(_, specs)| specs) {
        if !specs.iter().any(|known| known.name == spec.name) {
            specs.push(spec.clone());
        }
    }
    specs
}

/// The arguments of the started jobs, with what a plan says of their values.
pub(super) fn arguments_text(jobs: &[PlannedJob]) -> String {
    let mut text = String::new();
    for (job, specs) in asked(jobs) {
        text.push_str(&format!("arguments of {}\n", job.id));
        for spec in specs {
            let value = job.args.as_ref().map_or(spec.default.as_ref(), |values| values.get(&spec.name));
            text.push_str(&format!("  {}\n", argument_line(spec, value)));
        }
    }
    plain(&text)
}
