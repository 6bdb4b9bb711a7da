//! `quire logs`: the output of a run, from its files, also while it grows.

use std::io::{IsTerminal, Write};

use serde_json::json;

use super::exit::{Code, Ended, Failure};
use super::place::find_run;
use super::runs::expect_readable;
use crate::config::DataDir;
use crate::journal::RunRecord;
use crate::log::Stream;
use crate::model::Progress;
use crate::store::RunRow;
use crate::sys::inotify::Inotify;
use crate::sys::lock;
use crate::sys::pidfd::PidFd;
use crate::view::{LogFollower, LogLine, RunView, deciding_lock, plain};

/// What to print, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) job: Option<String>,
    pub(crate) follow: bool,
    pub(crate) json: bool,
}

/// `quire logs`.
pub(crate) fn logs(data: &DataDir, run: &str, options: Options) -> Ended {
    let row = find_run(data, run)?;
    let run_dir = data.run(&row.repo, row.number);
    let record = RunRecord::try_read(&run_dir).map_err(|error| Failure::broken(&error))?;
    if row.started_at.is_some() && !record.is_opened {
        let message = format!("the record of {run} is missing: there is no journal in {}", run_dir.display());
        let hint = "quire doctor checks the data folder; after a repository was renamed by hand, rename its folder in `runs`";
        return Err(Failure::new(Code::Broken, message).hint(hint));
    }
    if let Some(job) = &options.job
        && !record.jobs.iter().any(|known| known.id == *job)
    {
        let names: Vec<&str> = record.jobs.iter().map(|job| job.id.as_str()).collect();
        let hint = if names.is_empty() {
            "it has no jobs yet".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        return Err(Failure::not_found(format!("{run} has no job `{job}`")).hint(hint));
    }
    let mut follower = LogFollower::new(&run_dir, options.job.clone());
    let printer =
        Printer { json: options.json, tidy: std::io::stdout().is_terminal(), names: options.job.is_none() };
    if options.follow && row.state != Progress::Finished {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::broken(&error))?;
        return runtime.block_on(follow(data, &row, follower, &printer));
    }
    let record = (row.state != Progress::Finished).then_some(&record);
    printer.print_all(&mut follower, record).map(|_is_gone| Code::Done)
}

/// Prints what comes until the run has ended.
async fn follow(data: &DataDir, row: &RunRow, mut follower: LogFollower, printer: &Printer) -> Ended {
    let broken = |error: std::io::Error| Failure::broken(&error);
    let run_dir = data.run(&row.repo, row.number);
    let inotify = Inotify::new().map_err(broken)?;
    loop {
        // Watched first, then read: the folders that are not there yet come up in those that are.
        let above = [data.path().to_owned(), data.path().join("runs"), data.runs(&row.repo), run_dir.clone()];
        for folder in above.into_iter().chain(follower.folders()).filter(|folder| folder.is_dir()) {
            inotify.watch(&folder).map_err(broken)?;
        }
        let decider = deciding_lock(data, row).and_then(|lock| lock::holder_pid(&lock).ok().flatten());
        let decider = decider.and_then(|pid| PidFd::open(pid).ok().flatten());
        let view = RunView::load(data, find_run(data, &row.id.to_string())?, None);
        expect_readable(&view)?;
        let is_gone = printer.print_all(&mut follower, (!view.has_ended()).then_some(&view.record))?;
        if view.has_ended() || is_gone {
            return Ok(Code::Done);
        }
        let gone = async {
            match &decider {
                Some(decider) => decider.dead().await,
                None => std::future::pending().await,
            }
        };
        // The last word of a runner without a server is that it is gone.
        tokio::select! {
            changes = inotify.changes() => { changes.map_err(broken)?; }
            dead = gone => dead.map_err(broken)?,
        }
    }
}

/// How lines are printed.
struct Printer {
    json: bool,
    /// On a terminal, output must not move the cursor.
    tidy: bool,
    /// Whether lines say which job they are of.
    names: bool,
}

impl Printer {
    /// Prints what there is by now, a batch at a time, of a run with this record, or of one that has ended; whether nobody reads it.
    fn print_all(&self, follower: &mut LogFollower, record: Option<&RunRecord>) -> Result<bool, Failure> {
        loop {
            let lines = match record {
                Some(record) => follower.read(record),
                None => follower.finish(),
            };
            let lines = lines.map_err(|error| Failure::broken(&error))?;
            if self.print(lines.iter()).is_err() {
                return Ok(true);
            }
            if !follower.has_more() {
                return Ok(false);
            }
        }
    }

    fn print<'a>(&self, lines: impl Iterator<Item = &'a LogLine>) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        for line in lines {
            out.write_all(&self.format(line))?;
        }
        out.flush()
    }

    fn format(&self, line: &LogLine) -> Vec<u8> {
        let text = String::from_utf8_lossy(&line.bytes);
        if self.json {
            let value = json!({
                "time": line.time.to_string(),
                "job": line.job,
                "step": line.step,
                "stream": line.stream.as_str(),
                "text": text,
            });
            return format!("{value}\n").into_bytes();
        }
        let mut out = Vec::new();
        if self.names {
            let job = line.job.as_deref().unwrap_or("quire");
            let mark = if line.stream == Stream::Quire { "quire: " } else { "" };
            out.extend_from_slice(format!("{job} │ {mark}").as_bytes());
        }
        if self.tidy {
            out.extend_from_slice(plain(&text).as_bytes())
        } else {
            out.extend_from_slice(&line.bytes)
        }
        out.push(b'\n');
        out
    }
}
