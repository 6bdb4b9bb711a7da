//! A job as a command: `flwd demo --name alice`.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write as _};
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::NO_ENGINE;
use super::events::{FlwdEvent, Translator};
use super::facts::RunFacts;
use crate::app::{JobRunRecord, PlanJob, Problem, RunRow, StartJob};
use crate::cli::exit::{Code, Ended, Failure, print, print_error, print_json, verdict};
use crate::cli::jobs::{
    GivenOptions, JobCall, JobOption, JobTarget, Printer, args_of_source, discovered, failure_text,
    place_here, plan_job, print_output, run_job,
};
use crate::container::UNAVAILABLE;
use crate::pipeline::OnFailure;
use crate::sys::user;
use crate::view::{RunEvent, plain};

/// What a job takes besides its own arguments.
const OPTIONS: [JobOption<'static>; 9] = [
    JobOption::flag("json"),
    JobOption::flag("dry-run"),
    JobOption::flag("strict"),
    JobOption::flag("quiet").short('q'),
    JobOption::flag("verbose").short('v'),
    JobOption::with_value("on-error"),
    JobOption::with_value("report"),
    JobOption::with_value("report-file"),
    JobOption::with_value("profile"),
];

/// One step, as `--report` writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StepReport {
    name: String,
    exit_code: i32,
    /// Nanoseconds.
    duration: u64,
    err: Option<String>,
}

/// What is noted of the events of a run.
#[derive(Debug, Default)]
struct Noted {
    steps: Vec<StepReport>,
    /// The first denial.
    denial: Option<String>,
}

/// What a report is made of.
#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Reported {
    #[serde(rename = "step.started")]
    Started { job: String, step: u32, title: String },
    #[serde(rename = "step.finished")]
    Finished { job: String, step: u32, exit: Option<i32>, duration_s: Option<f64> },
    #[serde(rename = "policy.decision")]
    Decision { decision: Decided },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Decided {
    verdict: String,
    code: String,
    reason: String,
}

/// Runs the job that the words mean.
pub(super) fn run(words: &[String]) -> Ended {
    let place = place_here()?;
    let data = super::place::data_dir()?;
    let found = discovered(Some(&data), &place)?;
    let target = JobTarget::find(&found, words, |job| args_of_source(&data, &place, (job, None)).ok())?;
    let call = JobCall::read(target, words, (&OPTIONS, GivenOptions::default()), &place.cwd.as_path())?;
    call.warnings.iter().for_each(|warning| print_error(&format!("[warn] {}\n", plain(warning))));
    let profiles = super::profiles(call.option("profile"))?;
    if call.has("dry-run") {
        let request = PlanJob { job: call.job, place: Some(place), args: call.args, ..PlanJob::default() };
        print_json(&super::plan::plan_json(&plan_job(&data, request, profiles)?));
        return Ok(Code::Done);
    }
    let (is_json, is_quiet) = (call.has("json"), call.has("quiet"));
    let format = call.option("report").map(str::to_owned);
    expect_format(format.as_deref())?;
    let report_file = call.option("report-file").map(str::to_owned);
    let request = StartJob {
        job: call.job.clone(),
        place: Some(place),
        on_error: call.option("on-error").map(on_error).transpose()?,
        profile: call.option("profile").map(str::to_owned),
        args: call.args,
        by: user::login_name(),
        ..StartJob::default()
    };
    let noted = Rc::new(RefCell::new(Noted::default()));
    let shared = Rc::clone(&noted);
    let ran = run_job(&data, request, profiles, move |row, record| {
        reporting(printer(row, &record, is_json, is_quiet), shared)
    });
    let run = ran.inspect_err(|problem| print_no_engine(problem, is_json))?;
    let Noted { steps, denial } = noted.take();
    if format.is_some() || report_file.is_some() {
        write_report(&steps, format.as_deref().unwrap_or("json"), report_file.as_deref())?;
    }
    let ended = verdict(run.outcome());
    if ended != Code::Done && !is_json {
        let why = denial.map_or_else(|| failure_text(&run), |denial| format!(": {}", plain(&denial)));
        print_error(&format!("flwd: {} {}{why}\n", call.job, run.word()));
    }
    Ok(ended)
}

/// What prints the events.
fn printer(row: &RunRow, record: &JobRunRecord, is_json: bool, is_quiet: bool) -> Printer {
    if is_json {
        let mut translator = Translator::new(RunFacts::of(row, record));
        Box::new(move |event| {
            let lines: String = translator.translate(event).iter().map(FlwdEvent::line).collect();
            let mut out = io::stdout().lock();
            out.write_all(lines.as_bytes()).and_then(|()| out.flush())
        })
    } else if is_quiet {
        Box::new(|_| Ok(()))
    } else {
        Box::new(print_output)
    }
}

/// Prints as JSON that there is no container engine, which the server answers in the same words.
fn print_no_engine(problem: &Problem, is_json: bool) {
    if is_json && problem.code == crate::app::Code::EngineUnavailable {
        let document =
            json!({"title": NO_ENGINE, "status": 422, "detail": problem.text, "code": UNAVAILABLE});
        print(&format!("{document}\n"));
    }
}

/// The printer, which also notes how steps ended, and what was denied.
fn reporting(mut printer: Printer, noted: Rc<RefCell<Noted>>) -> Printer {
    let mut titles = std::collections::HashMap::new();
    Box::new(move |event: &RunEvent| {
        match serde_json::from_slice(event.line()) {
            Ok(Reported::Started { job, step, title }) => drop(titles.insert((job, step), title)),
            Ok(Reported::Finished { job, step, exit, duration_s }) => {
                let exit_code = exit.unwrap_or(-1);
                let duration =
                    Duration::try_from_secs_f64(duration_s.unwrap_or_default()).unwrap_or_default();
                noted.borrow_mut().steps.push(StepReport {
                    name: titles.get(&(job, step)).cloned().unwrap_or_default(),
                    exit_code,
                    duration: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
                    err: (exit_code != 0).then(|| format!("exit status {exit_code}")),
                });
            }
            Ok(Reported::Decision { decision: Decided { verdict, code, reason } }) if verdict == "deny" => {
                noted.borrow_mut().denial.get_or_insert(format!("{code}: {reason}"));
            }
            Ok(Reported::Decision { .. } | Reported::Other) | Err(_) => {}
        }
        printer(event)
    })
}

fn expect_format(format: Option<&str>) -> Result<(), Failure> {
    match format {
        None | Some("json" | "yaml") => Ok(()),
        Some(other) => {
            Err(Failure::new(Code::Usage, format!("--report is json or yaml, not `{}`", plain(other))))
        }
    }
}

fn write_report(steps: &[StepReport], format: &str, file: Option<&str>) -> Result<(), Failure> {
    let text = if format == "json" {
        serde_json::to_string_pretty(steps).map_err(|error| Failure::broken(&error))? + "\n"
    } else {
        // JSON strings and numbers are YAML as well.
        let line = |step: &StepReport| {
            let name = serde_json::Value::from(step.name.as_str());
            let error = serde_json::json!(step.err);
            format!(
                "- Name: {name}\n  ExitCode: {}\n  Duration: {}\n  Err: {error}\n",
                step.exit_code, step.duration
            )
        };
        steps.iter().map(line).collect()
    };
    match file {
        None => print(&text),
        Some(path) => fs::write(path, text)
            .map_err(|error| Failure::new(Code::Broken, format!("could not write {path}: {error}")))?,
    }
    Ok(())
}

fn on_error(word: &str) -> Result<OnFailure, Failure> {
    match word {
        "abort" => Ok(OnFailure::Abort),
        "continue" => Ok(OnFailure::Continue),
        other => {
            Err(Failure::new(Code::Usage, format!("--on-error is abort or continue, not `{}`", plain(other))))
        }
    }
}
