//! Job folders on the command line: which job words mean, its run and its plan, with a server or without one.

mod call;
mod option;
mod output;
mod run;
mod words;

pub(crate) use call::{JobCall, JobTarget, read_arguments};
pub(crate) use option::{GivenOptions, JobOption, split};
pub(crate) use output::{
    ShownJob, argument_line, end_line, failure_text, list_json, list_text, print_output, print_output_line,
    print_plan, table,
};
pub(crate) use run::{Printer, plan_job, run_job};
pub(crate) use words::{JobWords, RUN_OPTIONS, from_job, is_option};

use std::path::PathBuf;

use rustix::fs::{Access, access};

use super::access::Access as Read;
use super::ask::{here, perform as ask};
use super::exit::{Code, Ended, Failure, print, print_error, print_json, print_warnings, verdict};
use super::place::{self, variable};
use super::remote;
use crate::app::{
    self, JobList, JobPlace, ListRepoJobs, PlanJob, Problem, RepoJobs, StartJob, job_args,
    list_jobs_of_sources,
};
use crate::config::DataDir;
use crate::pipeline::argument::ArgSpec;
use crate::pipeline::folder::{Discovery, discover_with_index};
use crate::sys::user;
use crate::view::plain;

/// The job folders of the working directory.
pub(crate) fn place_here() -> Result<JobPlace, Failure> {
    let cwd = std::env::current_dir().map_err(|_| {
        Failure::new(Code::Usage, "the working directory does not exist any more").hint("cd to another one")
    })?;
    Ok(JobPlace::below(&cwd))
}

/// The data folder whose cache this account may write, otherwise one for the cache of its own.
pub(crate) fn cache_of(data: Option<&DataDir>) -> Option<DataDir> {
    let cache = || {
        let own = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || Some(PathBuf::from(variable("HOME")?).join(".cache"));
        Some(DataDir::new(own.or_else(home)?.join("quire")))
    };
    data.filter(|data| access(data.cache(), Access::WRITE_OK).is_ok()).cloned().or_else(cache)
}

/// Finds the job folders of a place.
pub(crate) fn discovered(data: Option<&DataDir>, place: &JobPlace) -> Result<Discovery, Failure> {
    let index = cache_of(data).map(|data| JobPlace::index(&data, &place.scripts));
    let found = discover_with_index(&place.scripts, index.as_deref());
    found.map_err(|error| Failure::new(Code::Usage, error))
}

/// `quire run` and `quire plan` of a job folder: nothing when the words mean none.
pub(super) fn intercept(words: &JobWords) -> Option<Ended> {
    if !words.options.are_of(&RUN_OPTIONS) {
        return None;
    }
    let place = place_here().ok();
    let data_of = |options: &GivenOptions| place::data_dir(options.value("data").map(PathBuf::from)).ok();
    let data = data_of(&words.options);
    let found = place.as_ref().map(|place| discovered(data.as_ref(), place).unwrap_or_default());
    let found = found.unwrap_or_default();
    // The job that is meant as long as only the options before its name count.
    let is_elsewhere = |name| words.options.value(name).is_some();
    let specs = match found.find_words(&words.words).filter(|_| !is_elsewhere("source")) {
        _ if is_elsewhere("server") => None,
        Some((job, _)) => Some(job.config.args.clone()),
        None => data.zip(place.as_ref()).and_then(|(data, place)| {
            args_of_named(&data, place, (words.first(), words.options.value("source")))?.ok()
        }),
    };
    let words = &words.placed(&specs.unwrap_or_default(), &RUN_OPTIONS);
    if let Some(server) = words.options.value("server") {
        return remote::call(server, words);
    }
    let (data, place) = (data_of(&words.options)?, place?);
    let source = words.options.value("source").map(str::to_owned);
    let local = found.find_words(&words.words).filter(|_| source.is_none());
    let named = || args_of_named(&data, &place, (words.first(), source.as_deref()));
    let target = match if local.is_none() { named() } else { None } {
        None if local.is_some() => JobTarget::find(&found, &words.words, |_| None),
        Some(Ok(specs)) => Ok(JobTarget { job: words.first().to_owned(), specs, used: 1 }),
        Some(Err(problem)) if source.is_some() => Err(problem.into()),
        Some(Err(_)) => return None,
        None if found.unreadable(&words.words).is_some() => Err(call::unknown_job(&found, &words.words)),
        None => return None,
    };
    Some(target.and_then(|target| {
        let call =
            JobCall::read(target, &words.words, (&RUN_OPTIONS, words.options.clone()), &place.cwd.as_path())?;
        perform(data, (place, source), call, words.is_plan)
    }))
}

/// The arguments of a job, when it is named as one of a source; nothing when it is not.
fn args_of_named(
    data: &DataDir,
    place: &JobPlace,
    (job, source): (&str, Option<&str>),
) -> Option<Result<Vec<ArgSpec>, Problem>> {
    (source.is_some() || job.contains('/')).then(|| args_of_source(data, place, (job, source)))
}

/// The arguments that a job of a source takes, by `SOURCE/ID` or with the source beside it.
///
/// # Errors
/// There is no such job.
pub(crate) fn args_of_source(
    data: &DataDir,
    place: &JobPlace,
    (job, source): (&str, Option<&str>),
) -> Result<Vec<ArgSpec>, Problem> {
    if !data.path().is_dir() {
        let text = format!("there is no job `{}`: no source was added", plain(job));
        return Err(Problem::new(app::Code::JobNotFound, text).hint("quire source add adds one"));
    }
    here(data, async |app| Ok(job_args(app, place, (job, source)).await?))
}

fn perform(
    data: DataDir,
    (place, source): (JobPlace, Option<String>),
    call: JobCall,
    is_plan: bool,
) -> Ended {
    let data = place::make_data_dir(data, "name another data folder with --data or QUIRE_DATA")?;
    print_warnings(&call.warnings);
    let profile = call.option("profile").map(str::to_owned);
    if is_plan || call.is_plan() {
        let is_json = call.has("json");
        let request = PlanJob { job: call.job, source, place: Some(place), args: call.args, profile };
        output::print_plan(plan_job(&data, request, place::profiles(None)?)?, is_json);
        return Ok(Code::Done);
    }
    let is_json = call.has("json");
    let profiles = place::profiles(profile.as_deref())?;
    let request = StartJob {
        job: call.job,
        source,
        place: Some(place),
        profile,
        args: call.args,
        on_error: None,
        tenant: None,
        by: user::login_name(),
    };
    let run = run_job(&data, request, profiles, |_, _| {
        Box::new(if is_json { output::print_line } else { print_output })
    })?;
    if !is_json {
        print_error(&output::end_line(&run));
    }
    Ok(verdict(run.outcome()))
}

/// `quire jobs`: those of the folder here and of sources, and those of repositories; or those of one repository alone.
pub(super) fn list(data: Option<DataDir>, repo: Option<String>, as_json: bool) -> Ended {
    let place = place_here()?;
    let data = data.filter(|data| data.path().is_dir());
    let mut list = JobList::default();
    if repo.is_none() {
        list = JobList::of_folders(discovered(data.as_ref(), &place)?);
        list.add(of_sources(data.clone(), &place));
    }
    let of_repos = match &data {
        Some(data) => of_repositories(data, repo.as_deref())?,
        None => RepoJobs::default(),
    };
    for wrong in &list.errors {
        wrong.lines().for_each(|line| print_error(&format!("warning: {}\n", plain(&line))));
    }
    let jobs = list.jobs.into_iter().map(ShownJob::from);
    let jobs: Vec<ShownJob> = jobs.chain(of_repos.jobs.into_iter().map(ShownJob::from)).collect();
    if as_json {
        print_json(&output::list_json(&jobs, &list.aliases, &list.errors));
    } else if !jobs.is_empty() {
        print(&output::list_text(&jobs, &list.aliases));
    } else if let Some(repo) = &repo {
        print_error(&format!("no job of {repo} needs :quire/manual\n"));
    } else {
        print_error(&format!("no job folders below {}\n", place.scripts.display()));
    }
    Ok(Code::Done)
}

/// The jobs of sources; without them a warning.
fn of_sources(data: Option<DataDir>, place: &JobPlace) -> JobList {
    let list = |data: DataDir| -> Result<JobList, Failure> {
        let data = place::existing(data, Read::ReadRuns)?;
        Ok(here(&data, async |app| Ok(list_jobs_of_sources(app, place).await?))?)
    };
    // Those of this folder need no data folder.
    data.map(list).transpose().map(Option::unwrap_or_default).unwrap_or_else(|failure| {
        print_error(&failure.text.replacen("error:", "warning: no jobs of sources:", 1));
        JobList::default()
    })
}

/// The jobs of repositories, or of one of them.
fn of_repositories(data: &DataDir, repo: Option<&str>) -> Result<RepoJobs, Failure> {
    let found = match ask(data, ListRepoJobs { repo: repo.map(str::to_owned) }) {
        Err(problem) if repo.is_none() => {
            let text = plain(&problem.text);
            print_error(&format!("warning: the jobs of repositories are not listed: {text}\n"));
            RepoJobs::default()
        }
        answer => answer?,
    };
    for name in &found.broken {
        let name = plain(name);
        print_error(&format!(
            "warning: the pipeline of {name} has mistakes; `quire jobs {name}` shows them\n"
        ));
    }
    if !found.left_out.is_empty() {
        let names = found.left_out.join(" ");
        print_error(&format!(
            "warning: not evaluated yet: {names}; `quire jobs REPO` lists the jobs of one\n"
        ));
    }
    Ok(found)
}

/// The failure of a plan of what is no job.
pub(super) fn unknown(words: &[String]) -> Failure {
    let found = place_here().and_then(|place| discovered(None, &place));
    match found {
        Ok(found) => call::unknown_job(&found, words),
        Err(failure) => failure,
    }
}

/// A value of the environment, for secrets that are named.
fn secret_variable(name: &str, variable_name: &str) -> Result<String, Failure> {
    variable(variable_name).ok_or_else(|| {
        let wrong = format!("the variable `{}` is not set", plain(variable_name));
        Failure::new(Code::Usage, wrong)
            .hint(format!("--{name} text:env:{} is the text itself", plain(variable_name)))
    })
}
