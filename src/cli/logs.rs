//! `quire logs`: the output of a run, from its files, also while it grows.

use std::collections::VecDeque;
use std::io::Write;

use serde::Serialize;
use serde_json::json;

use super::ask::here;
use super::exit::{Code, Ended, Failure, print_error, stdout_screen};
use super::place::expect_access;
use crate::app::{ReadLogs, find_run_or_latest, read_logs};
use crate::config::DataDir;
use crate::log::Stream;
use crate::model::Progress;
use crate::sys::lock::is_held;
use crate::view::{Colours, LogLine, LogLineShape, SafeText};

/// What to print, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) job: Option<String>,
    pub(crate) follow: bool,
    pub(crate) json: bool,
    /// At most so many lines, the last ones.
    pub(crate) limit: Option<usize>,
}

/// `quire logs`.
pub(crate) fn logs(data: &DataDir, run: &str, options: Options) -> Ended {
    let names = options.job.is_none();
    here(data, async move |app| {
        let row = find_run_or_latest(app, run).await?;
        expect_access(app, &row)?;
        if options.follow
            && row.state == Progress::Queued
            && !is_held(&app.data.server_lock()).unwrap_or(true)
        {
            let name = format!("{}#{}", row.repo, row.number);
            print_error(&format!(
                "warning: {name} waits for a server, and none is running\nhint: quire serve\n"
            ));
        }
        let mut logs = read_logs(app, row, ReadLogs { job: options.job, follow: options.follow }).await?;
        let json = options.json.then(|| logs.attempt());
        let printer = Printer { json, colours: stdout_screen().colours(), names };
        let mut last: VecDeque<LogLine> = VecDeque::new();
        while let Some(lines) = logs.next(app).await? {
            if let Some(limit) = options.limit {
                last.extend(lines);
                last.drain(..last.len().saturating_sub(limit));
                continue;
            }
            if printer.print(lines.iter()).is_err() {
                // Nobody reads it any more.
                break;
            }
        }
        // Nobody reads it any more, or everything was printed.
        let _end = printer.print(last.iter());
        Ok(Code::Done)
    })
    .map_err(Failure::from)
}

/// A line as JSON; without a job it is of the evaluation.
#[derive(Serialize)]
struct LineOfJob<'a> {
    job: Option<&'a str>,
    #[serde(flatten)]
    line: LogLineShape<'a>,
}

/// How lines are printed.
struct Printer {
    /// The attempt of the run, when lines are objects: those of the HTTP interface, with their job.
    json: Option<u32>,
    colours: Colours,
    /// Whether lines say which job they are of.
    names: bool,
}

impl Printer {
    fn print<'a>(&self, lines: impl Iterator<Item = &'a LogLine>) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        for line in lines {
            out.write_all(&self.format(line))?;
        }
        out.flush()
    }

    fn format(&self, line: &LogLine) -> Vec<u8> {
        if let Some(attempt) = self.json {
            let value = json!(LineOfJob { job: line.job.as_deref(), line: LogLineShape::of(line, attempt) });
            return format!("{value}\n").into_bytes();
        }
        let text = String::from_utf8_lossy(&line.bytes);
        let mut out = Vec::new();
        if self.names {
            let job = line.origin();
            let mark = if line.stream == Stream::Quire { "quire: " } else { "" };
            out.extend_from_slice(format!("{job} │ {mark}").as_bytes());
        }
        out.extend_from_slice(SafeText::of_output(&text, self.colours).as_str().as_bytes());
        out.push(b'\n');
        out
    }
}
