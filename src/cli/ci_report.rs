//! What `quire ci run` prints while a run is active.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;

use super::ci_run::Output;
use super::exit::{print, stdout_screen};
use crate::journal::RunRecord;
use crate::model::Outcome;
use crate::sys::inotify::Inotify;
use crate::view::{
    EndLimit, LogFollower, LogLine, OutputItem, OutputOrder, SafeText, job_line, read_log_end,
};

/// How many of the last lines of a failed job are shown.
const FAILED_LINES: EndLimit = EndLimit { bytes: 256 << 10, lines: 20 };

/// How long to wait before looking again where the system reports no changes.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Prints what happens while it happens.
pub(super) struct Reporter {
    thread: std::thread::JoinHandle<()>,
    over: oneshot::Sender<()>,
}

impl Reporter {
    pub(super) fn start(run_dir: PathBuf, output: Output) -> Self {
        let (over, is_over) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(report(&run_dir, output, is_over));
            }
        });
        Self { thread, over }
    }

    /// Prints what is left to print. The run has ended.
    pub(super) fn finish(self) {
        let _gone = self.over.send(()).is_err();
        let _panicked = self.thread.join().is_err();
    }
}

async fn report(run_dir: &Path, output: Output, mut is_over: oneshot::Receiver<()>) {
    let inotify = Inotify::new().ok();
    let mut follower = LogFollower::new(run_dir, None);
    let mut order = OutputOrder::default();
    let mut is_last = false;
    loop {
        for folder in
            follower.folders().into_iter().chain([run_dir.to_owned()]).filter(|folder| folder.is_dir())
        {
            let _not_seen_live = inotify.as_ref().is_some_and(|inotify| inotify.watch(&folder).is_err());
        }
        // What is wrong with a journal is said with the verdict.
        let record = RunRecord::try_read(run_dir).unwrap_or_default();
        if !output.json {
            loop {
                let lines = if output.verbose { follower.read(&record) } else { Ok(Vec::new()) };
                let items = order.next(lines.unwrap_or_default(), &record.jobs);
                show(run_dir, &record, items, output.verbose);
                if !follower.has_more() {
                    break;
                }
            }
            if is_last {
                order.rest().iter().for_each(print_line);
            }
        }
        if is_last {
            return;
        }
        tokio::select! {
            biased;
            _ended = &mut is_over => is_last = true,
            changed = changes(inotify.as_ref()) => {
                if changed.is_err() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    }
}

/// Waits until something may have changed.
async fn changes(inotify: Option<&Inotify>) -> io::Result<()> {
    match inotify {
        Some(inotify) => inotify.changes().await.map(|_| ()),
        None => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Prints output, and jobs that have ended.
fn show(run_dir: &Path, record: &RunRecord, items: Vec<OutputItem<'_>>, verbose: bool) {
    let width = record.jobs.iter().map(|job| job.id.len()).max().unwrap_or_default();
    for item in items {
        let job = match item {
            OutputItem::Line(line) => {
                print_line(&line);
                continue;
            }
            OutputItem::End(job) => job,
        };
        print(&job_line(job, width));
        if matches!(job.outcome, Some(Outcome::Failed | Outcome::TimedOut)) && !verbose {
            for line in read_log_end(run_dir, Some(&job.id), FAILED_LINES).lines {
                print(&format!("    {}\n", shown(&line).as_str()));
            }
        }
    }
}

fn print_line(line: &LogLine) {
    print(&format!("{} │ {}\n", line.origin(), shown(line).as_str()));
}

/// A line of output for this screen.
fn shown(line: &LogLine) -> SafeText {
    SafeText::of_output(&String::from_utf8_lossy(&line.bytes), stdout_screen().colours())
}
