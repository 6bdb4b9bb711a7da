//! The last lines of a run's output, read from the ends of its logs.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::journal::{JobRecord, RunRecord};
use crate::log::read_end;
use crate::model::{Outcome, render_all};
use crate::sys::folder::Folder;
use crate::view::{output_line, plain};

/// The most lines of a message.
pub(super) const MAX_LINES: usize = 20;

/// The most jobs whose lines are shown.
const MAX_JOBS: usize = 4;

/// How much of the end of a log is read, in bytes.
const MAX_READ: u64 = 64 << 10;

/// The last lines of the failed jobs of a run, or the errors of a broken pipeline. Blocks.
pub(super) fn failing_lines(run_dir: &Path, record: &RunRecord) -> Vec<String> {
    let is_bad = |job: &&JobRecord| {
        matches!(job.outcome, Some(Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted))
    };
    let jobs: Vec<&JobRecord> = record.jobs.iter().filter(is_bad).take(MAX_JOBS).collect();
    if jobs.is_empty() {
        let diagnostics = record.diagnostics();
        return plain(&render_all(&diagnostics)).lines().take(MAX_LINES).map(output_line).collect();
    }
    lines_of(run_dir, &jobs)
}

/// The last lines of a run, whatever its outcome: of its last jobs. Blocks.
pub(super) fn last_output(run_dir: &Path, record: &RunRecord) -> Vec<String> {
    let begun: Vec<&JobRecord> = record.jobs.iter().filter(|job| job.started_at.is_some()).collect();
    let last = begun.len().saturating_sub(MAX_JOBS);
    lines_of(run_dir, begun.get(last..).unwrap_or_default())
}

/// The last lines of each of these jobs: of the step that did not pass, otherwise of the last step.
fn lines_of(run_dir: &Path, jobs: &[&JobRecord]) -> Vec<String> {
    let each = MAX_LINES / jobs.len().max(1);
    let mut lines = Vec::new();
    for job in jobs {
        let folder = Path::new("log").join(&job.id);
        let step = job.steps.iter().rev().find(|step| step.outcome != Some(Outcome::Passed));
        let log = step
            .or(job.steps.last())
            .map_or("script.log".to_owned(), |step| format!("{}.log", step.start.number));
        let log = Folder::open_no_link(run_dir).and_then(|run| run.open_file(folder.join(log)));
        let mut of_job = log.and_then(|log| last_lines(log, each)).unwrap_or_default();
        if let Some(reason) = &job.reason {
            of_job.extend(plain(&reason.to_string()).lines().map(str::to_owned));
        }
        let from = of_job.len().saturating_sub(each);
        lines.extend(of_job.iter().skip(from).map(|line| output_line(&format!("{} │ {line}", job.id))));
    }
    lines
}

/// The last lines of a log, at most `count`.
fn last_lines(log: File, count: usize) -> io::Result<Vec<String>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    for record in read_end(log, MAX_READ)?.records {
        match lines.last_mut().filter(|_| goes_on) {
            Some(line) => line.extend(&record.bytes),
            None => lines.push(record.bytes),
        }
        goes_on = !record.ends_line;
    }
    // A character may begin in one record and end in the next.
    let shown = |line: &Vec<u8>| {
        let text = String::from_utf8_lossy(line);
        text.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default().to_owned()
    };
    Ok(lines.iter().skip(lines.len().saturating_sub(count)).map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_log_is_read_in_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.log");
        let time = "2026-11-20T23:59:59.007Z";
        let mut text: String = (0..5000).map(|line| format!("{time} stdout F line {line}\n")).collect();
        text.push_str(&format!("{time} stdout P 10%\r20%\r\n{time} stdout F  done\n{time} stdout P open"));
        std::fs::write(&path, text).unwrap();
        let last = |count| last_lines(File::open(&path).unwrap(), count).unwrap();
        assert_eq!(last(3), ["line 4999", " done", "open"]);
        assert!(last(5000).len() < 2000);
    }

    #[test]
    fn a_character_that_two_records_share_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.log");
        let time = "2026-11-20T23:59:59.007Z";
        let mut bytes = Vec::new();
        for (kind, part) in [("P", b"gr\xc3".as_slice()), ("P", b"\xbc\xe2\x82"), ("F", b"\xac")] {
            bytes.extend([format!("{time} stdout {kind} ").as_bytes(), part, b"\n"].concat());
        }
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(last_lines(File::open(&path).unwrap(), 1).unwrap(), ["gr\u{fc}\u{20ac}"]);
    }
}
