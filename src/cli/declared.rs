//! Arguments that the jobs of a repository declare by `ci.manual`, as words: `quire run REPO:JOB --env prod`. What the words mean is
//! only known when the pipeline was evaluated.

use std::path::PathBuf;

use clap::Command;
use serde_json::{Map, Value};

use super::access::Access;
use super::ask::perform;
use super::completion::{find_flag, takes_value};
use super::exit::{Code, Failure, print, print_warnings};
use super::jobs::{argument_line, is_option, read_arguments, value_of};
use super::start::repo_and_job;
use super::{place, remote};
use crate::app::{PlanRun, expect_jobs};
use crate::model::{JobId, RepoName};
use crate::pipeline::argument::ArgSpec;
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
}

/// The words after the command.
#[derive(Default)]
struct Split {
    /// `REPO[:JOB]`.
    target: Option<String>,
    /// Options of `quire run` with their values.
    known: Vec<String>,
    /// Everything else, in its order.
    own: Vec<String>,
}

/// Takes the arguments that jobs declare out of the words of a command line. It evaluates the pipeline only when there is a word
/// that `quire run` does not have.
///
/// # Errors
/// The pipeline cannot be used, or a word is no argument of its jobs.
pub(super) fn read(root: &Command, words: &[String]) -> Result<Asked, Failure> {
    let Some((before, is_plan_command, after)) = command_of(root, words) else { return Ok(Asked::Other) };
    let Some(run) = root.find_subcommand("run") else { return Ok(Asked::Other) };
    let mut split = Split::of((root, run), &[], after);
    let is_flag = |names: &[&str]| split.own.iter().any(|word| names.contains(&word.as_str()));
    let (is_plan, is_help) = (is_plan_command || is_flag(&["--dry-run"]), is_flag(&["--help", "-h"]));
    let Some(target) = split.target.clone() else { return Ok(Asked::Other) };
    let may_be_folder = is_plan_command && !target.contains(':');
    let is_repo = RepoName::parse(target.split(':').next().unwrap_or_default()).is_ok();
    if !is_repo || (!is_plan && split.own.is_empty() && !split.has("arg")) {
        return Ok(Asked::Other);
    }
    let options: Vec<String> = before.iter().chain(&split.known).cloned().collect();
    let jobs = match planned(&target, &options) {
        // A job folder was meant as well as a repository.
        Err(failure) if may_be_folder && failure.code == Code::NotFound => return Ok(Asked::Other),
        jobs => jobs?,
    };
    let specs = declared(&jobs);
    if is_help && !specs.is_empty() {
        print(&format!("{}\n{}", arguments_text(&jobs), run.clone().render_help()));
        return Ok(Asked::Help);
    }
    if specs.is_empty() && !is_plan {
        return Ok(Asked::Other);
    }
    split = Split::of((root, run), &specs, after).without_pairs_of(&specs);
    split.own.retain(|word| word != "--dry-run");
    let mut arguments = Map::new();
    if !specs.is_empty() {
        let help = format!("`quire run {target} --help` shows its arguments");
        let (given, warnings) = read_arguments(&specs, &split.own, &help)?;
        print_warnings(&warnings);
        arguments = given;
    } else {
        split.known.append(&mut split.own);
    }
    let words = before.iter().cloned().chain(["run".to_owned(), target]).chain(split.known).collect();
    Ok(Asked::Call(JobsCall { is_plan, words, arguments }))
}

/// The words before `run` or `plan`, whether it is `plan`, and the words after it.
fn command_of<'a>(root: &Command, words: &'a [String]) -> Option<(&'a [String], bool, &'a [String])> {
    let mut place = 0;
    while let Some(word) = words.get(place).filter(|word| word.starts_with('-')) {
        let has_value = !word.contains('=') && find_flag(root, root, word).is_some_and(takes_value);
        place += 1 + usize::from(has_value);
    }
    let (before, rest) = words.split_at_checked(place)?;
    match rest {
        [command, after @ ..] if command == "run" || command == "plan" => {
            Some((before, command == "plan", after))
        }
        _ => None,
    }
}

impl Split {
    /// Splits the words; what the jobs declare is their own.
    fn of((root, run): (&Command, &Command), specs: &[ArgSpec], words: &[String]) -> Self {
        let mut split = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let name =
                word.strip_prefix("--").map(|flag| flag.split_once('=').map_or(flag, |(name, _)| name));
            let spec = specs.iter().find(|spec| Some(spec.name.as_str()) == name);
            let option = find_flag(root, run, word).filter(|_| spec.is_none());
            let has_value = !word.contains('=')
                && (option.is_some_and(takes_value) || spec.is_some_and(|spec| !spec.is_flag()));
            if spec.is_none() && split.target.is_none() && !word.starts_with('-') {
                split.target = Some(word.clone());
                continue;
            }
            let to = if option.is_some() { &mut split.known } else { &mut split.own };
            to.push(word.clone());
            if has_value {
                to.extend(words.next().cloned());
            }
        }
        split
    }

    fn has(&self, option: &str) -> bool {
        self.known.iter().any(|word| is_option(word, option))
    }

    /// The same; `--arg NAME=VALUE` of an argument that the jobs declare is `--NAME=VALUE`.
    fn without_pairs_of(mut self, specs: &[ArgSpec]) -> Self {
        let mut known = std::mem::take(&mut self.known).into_iter();
        while let Some(word) = known.next() {
            let pair = match word.strip_prefix("--arg") {
                Some("") => known.next(),
                Some(own) => own.strip_prefix('=').map(str::to_owned),
                None => None,
            };
            match pair {
                Some(pair)
                    if specs
                        .iter()
                        .any(|spec| pair.split_once('=').is_some_and(|(name, _)| name == spec.name)) =>
                {
                    self.own.push(format!("--{pair}"));
                }
                Some(pair) => self.known.extend(["--arg".to_owned(), pair]),
                None => self.known.push(word),
            }
        }
        self
    }
}

/// The jobs of the pipeline, as somebody who asks for the target would start them.
fn planned(target: &str, options: &[String]) -> Result<Vec<PlannedJob>, Failure> {
    let (repo, job) = repo_and_job(target);
    let request = PlanRun {
        repo: repo.to_owned(),
        r#ref: value_of(options, "ref").map(str::to_owned),
        sha: value_of(options, "sha").map(str::to_owned),
        job: job.map(str::to_owned),
        event: Some("manual".to_owned()),
        ..PlanRun::default()
    };
    if let Some(server) = value_of(options, "server") {
        return remote::planned(server, &request).map(|plan| plan.jobs);
    }
    let data = place::data_dir(value_of(options, "data").map(PathBuf::from))?;
    let plan = perform(&place::existing(data, Access::ReadRuns)?, request)?;
    let root = job.map(JobId::parse).transpose().map_err(|error| Failure::new(Code::Usage, error))?;
    expect_jobs(root.as_ref(), &plan)?;
    Ok(plan.jobs)
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
