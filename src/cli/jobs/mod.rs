//! Job folders on the command line: which job words mean, its run and its plan, with a server or without one.

mod call;
mod output;
mod run;

pub(crate) use call::{JobCall, JobOption, read_arguments};
pub(crate) use output::{argument_line, print_output, table};
pub(crate) use run::{Printer, plan_job, run_job};

use std::path::PathBuf;

use serde_json::json;

use super::ask::{here, perform};
use super::exit::{Code, Ended, Failure, print, print_error, print_json, verdict};
use super::place::{self, variable};
use crate::app::{JobPlace, ListRepoJobs, PlanJob, RepoJobs, StartJob, job_args};
use crate::config::DataDir;
use crate::pipeline::argument::ArgSpec;
use crate::pipeline::folder::{Discovery, discover};
use crate::sys::user;
use crate::view::plain;

/// What `quire run JOB` takes besides the arguments of the job.
const RUN_OPTIONS: [JobOption; 5] = [
    JobOption::with_value("data"),
    JobOption::with_value("profile"),
    JobOption::with_value("source"),
    JobOption::flag("json"),
    JobOption::flag("dry-run"),
];

/// The job folders of the working directory.
pub(crate) fn place_here() -> Result<JobPlace, Failure> {
    let cwd = std::env::current_dir().map_err(|error| Failure::broken(&error))?;
    Ok(JobPlace::below(&cwd))
}

/// Finds the job folders of a place.
pub(crate) fn discovered(place: &JobPlace) -> Result<Discovery, Failure> {
    discover(&place.scripts).map_err(|error| Failure::new(Code::Usage, error))
}

/// `quire run` and `quire plan` of a job folder: nothing when the words mean none.
pub(super) fn intercept(words: &[String]) -> Option<Ended> {
    let (data, command, rest) = command_of(words)?;
    if rest.first().is_none_or(|word| word.starts_with('-')) {
        return None;
    }
    let place = place_here().ok()?;
    let found = discover(&place.scripts).ok()?;
    let first = rest.first().map(String::as_str).unwrap_or_default();
    let is_of_source = || {
        let data = place::data_dir(value_of(rest, "data").map(PathBuf::from).or(data.clone())).ok()?;
        args_of_source(&data, &place, (first, None))
    };
    if value_of(rest, "source").is_none()
        && found.find_words(rest).is_none()
        && !(first.contains('/') && is_of_source().is_some())
    {
        return None;
    }
    Some(called(data, command == "plan", (&place, &found), rest))
}

/// The value of an option that may be anywhere among the words.
fn value_of<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    let mut words = words.iter().skip_while(|word| {
        let flag = word.strip_prefix("--").unwrap_or_default();
        flag.split('=').next() != Some(name)
    });
    let flag = words.next()?;
    flag.split_once('=').map(|(_, value)| value).or_else(|| words.next().map(String::as_str))
}

/// The arguments that a job of a source takes, by `SOURCE/ID` or with the source beside it; nothing when there is no such job.
pub(crate) fn args_of_source(
    data: &DataDir,
    place: &JobPlace,
    (job, source): (&str, Option<&str>),
) -> Option<Vec<ArgSpec>> {
    if !data.path().is_dir() {
        return None;
    }
    here(data, async |app| Ok(job_args(app, place, (job, source)).await.ok())).ok().flatten()
}

/// The data folder, the command and its words: `--data DIR run WORD…`.
fn command_of(words: &[String]) -> Option<(Option<PathBuf>, &str, &[String])> {
    match words {
        [command, rest @ ..] if command == "run" || command == "plan" => Some((None, command, rest)),
        [option, data, command, rest @ ..]
            if option == "--data" && (command == "run" || command == "plan") =>
        {
            Some((Some(data.into()), command, rest))
        }
        _ => None,
    }
}

fn called(
    data: Option<PathBuf>,
    is_plan: bool,
    (place, found): (&JobPlace, &Discovery),
    words: &[String],
) -> Ended {
    let asks_for_help = words.iter().any(|word| word == "--help" || word == "-h");
    let (is_plan, words) =
        (is_plan || asks_for_help, words.iter().filter(|word| *word != "--help" && *word != "-h"));
    let words: Vec<String> = words.cloned().collect();
    // What the job declares is its own.
    let own = |name: &str| match found.find_words(&words) {
        Some((job, _)) => job.config.args.iter().any(|spec| spec.name == name),
        None => false,
    };
    let value_of = |name: &str| value_of(&words, name).filter(|_| !own(name));
    let data = place::data_dir(value_of("data").map(PathBuf::from).or(data))?;
    let source = value_of("source").map(str::to_owned);
    let nothing = Discovery::default();
    let found = if source.is_some() { &nothing } else { found };
    let of_source = |job: &str| args_of_source(&data, place, (job, source.as_deref()));
    let call = JobCall::read(found, &words, &RUN_OPTIONS, of_source)?;
    let data = place::make_data_dir(data, "name another data folder with --data or QUIRE_DATA")?;
    call.warnings.iter().for_each(|warning| print_error(&format!("warning: {}\n", plain(warning))));
    if is_plan || call.has("dry-run") {
        let profile = call.option("profile").map(str::to_owned);
        let request =
            PlanJob { job: call.job.clone(), source, place: Some(place.clone()), args: call.args, profile };
        let plan = plan_job(&data, request, place::profiles(None)?)?;
        if call.options.contains_key("json") {
            print_json(&json!(plan));
        } else {
            print(&output::plan_text(&plan));
        }
        return Ok(Code::Done);
    }
    let is_json = call.has("json");
    let request = StartJob {
        job: call.job.clone(),
        source,
        place: Some(place.clone()),
        profile: call.option("profile").map(str::to_owned),
        args: call.args,
        on_error: None,
        tenant: None,
        by: user::login_name(),
    };
    let profiles = place::profiles(request.profile.as_deref())?;
    let row = run_job(&data, request, profiles, |_, _| {
        Box::new(if is_json { output::print_line } else { print_output })
    })?;
    if !is_json {
        print_error(&output::end_line(&row));
    }
    Ok(verdict(row.outcome))
}

/// `quire jobs`: of the data folder those of its repositories, too, or of one of them alone.
pub(super) fn list(data: Option<&DataDir>, repo: Option<String>, as_json: bool) -> Ended {
    let place = place_here()?;
    let found = if repo.is_some() { Discovery::default() } else { discovered(&place)? };
    let of_repos = match data.filter(|data| data.path().is_dir()) {
        Some(data) => match perform(data, ListRepoJobs { repo: repo.clone() }) {
            Err(problem) if repo.is_none() => {
                print_error(&format!(
                    "warning: the jobs of repositories are not listed: {}\n",
                    plain(&problem.text)
                ));
                RepoJobs::default()
            }
            answer => answer?,
        },
        None => RepoJobs::default(),
    };
    if !of_repos.left_out.is_empty() {
        let names = of_repos.left_out.join(" ");
        print_error(&format!(
            "warning: not evaluated yet: {names}; `quire jobs REPO` lists the jobs of one\n"
        ));
    }
    for wrong in &found.errors {
        print_error(&format!("warning: {}: {}\n", plain(&wrong.path), plain(&wrong.error)));
    }
    if as_json {
        print_json(&output::list_json(&found, &of_repos.jobs));
        return Ok(Code::Done);
    }
    if !found.jobs.is_empty() {
        print(&output::list_text(&found));
    } else if of_repos.jobs.is_empty() {
        match &repo {
            Some(repo) => print_error(&format!("no job of {repo} needs :quire/manual\n")),
            None => print_error(&format!("no job folders below {}\n", place.scripts.display())),
        }
    }
    if !of_repos.jobs.is_empty() {
        print(if found.jobs.is_empty() { "" } else { "\n" });
        print(&output::repo_jobs_text(&of_repos.jobs));
    }
    Ok(Code::Done)
}

/// The failure of a plan of what is no job.
pub(super) fn unknown(words: &[String]) -> Failure {
    let found = place_here().and_then(|place| discovered(&place));
    match found {
        Ok(found) => call::unknown_job(&found, words.first().map(String::as_str).unwrap_or_default()),
        Err(failure) => failure,
    }
}

/// A value of the environment, for secrets that are named.
fn secret_variable(name: &str) -> Result<String, Failure> {
    variable(name).ok_or_else(|| Failure::new(Code::Usage, format!("the variable `{name}` is not set")))
}
