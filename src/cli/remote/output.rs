//! The output of a run of a server elsewhere.

use std::io::Write;

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Remote;
use crate::cli::exit::{Code, Ended, Failure, stdout_screen};
use crate::model::percent_encoded;
use crate::view::{Colours, RunShape, SafeText, one_line};

/// What to print, and how.
pub(super) struct Options {
    pub(super) job: Option<String>,
    pub(super) follow: bool,
    pub(super) json: bool,
}

/// The lines of an event.
#[derive(Debug, Deserialize)]
struct LogEvent {
    job: String,
    step: u32,
    stream: String,
    lines: Vec<Line>,
}

/// A line of output.
#[derive(Debug, Deserialize)]
struct Line {
    time: String,
    text: String,
    #[serde(default)]
    step: u32,
    #[serde(default)]
    stream: String,
}

/// Prints the output of a run: what is there, job by job, or as it comes until the run has ended.
pub(super) fn print(remote: &Remote, run: &RunShape, options: &Options) -> Ended {
    let known: Vec<&str> = run.jobs.iter().map(|job| job.id.as_str()).collect();
    let printer =
        Printer { json: options.json, colours: stdout_screen().colours(), names: options.job.is_none() };
    let path = format!("/runs/{}", percent_encoded(&run.id));
    if options.follow {
        let ndjson = "application/x-ndjson";
        return printed(remote.lines(&format!("{path}/events"), ndjson, |line| {
            let event: Value = serde_json::from_str(line).map_err(|error| remote.broken(&error))?;
            if event.get("kind").is_none_or(|kind| kind != "log") {
                return Ok(());
            }
            let log: LogEvent = serde_json::from_value(event).map_err(|error| remote.broken(&error))?;
            if options.job.as_ref().is_some_and(|job| *job != log.job) {
                return Ok(());
            }
            log.lines.iter().try_for_each(|line| printer.print((&log.job, log.step, &log.stream), line))
        }));
    }
    if let Some(job) = options.job.as_deref().filter(|job| !known.contains(job)) {
        let problem = format!("{} has no job `{}`", run.name(), one_line(job));
        return Err(Failure::not_found(problem).hint(format!("it has {}", known.join(", "))));
    }
    for job in known.into_iter().filter(|job| options.job.as_deref().is_none_or(|only| only == *job)) {
        let path = format!("{path}/jobs/{}/log?format=ndjson", percent_encoded(job));
        printed(remote.lines(&path, "*/*", |line| {
            let line: Line = serde_json::from_str(line).map_err(|error| remote.broken(&error))?;
            printer.print((job, line.step, &line.stream), &line)
        }))?;
    }
    Ok(Code::Done)
}

/// The end of printing; that nobody reads it any more is one, too.
fn printed(done: Result<(), Failure>) -> Ended {
    match done {
        Err(failure) if failure.text.is_empty() => Ok(Code::Done),
        other => other.map(|()| Code::Done),
    }
}

/// How lines are printed.
struct Printer {
    json: bool,
    colours: Colours,
    /// Whether lines say which job they are of.
    names: bool,
}

impl Printer {
    fn print(&self, (job, step, stream): (&str, u32, &str), line: &Line) -> Result<(), Failure> {
        let out = if self.json {
            let value =
                json!({ "time": line.time, "job": job, "step": step, "stream": stream, "text": line.text });
            format!("{value}\n")
        } else {
            let mark = if stream == "quire" { "quire: " } else { "" };
            let name = if self.names { format!("{} │ {mark}", one_line(job)) } else { String::new() };
            format!("{name}{}\n", SafeText::of_output(&line.text, self.colours).as_str())
        };
        let written = std::io::stdout().lock().write_all(out.as_bytes());
        // Nobody reads it any more: an end, and nothing to say.
        written.map_err(|_| Failure { code: Code::Done, text: String::new() })
    }
}
