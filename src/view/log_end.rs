//! The last lines of a run's logs, for a page or a message, read from the ends of the files.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::follow::LogLine;
use super::log_names::{LogName, logs_in};
use crate::log::{Record, read_end};
use crate::model::Timestamp;
use crate::sys::folder::Folder;

/// Limits of what is read and shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndLimit {
    /// Bytes of all files together.
    pub(crate) bytes: u64,
    pub(crate) lines: usize,
}

/// The last lines of a run.
#[derive(Debug, Default)]
pub(crate) struct LogEnd {
    /// The lines, by their time.
    pub(crate) lines: Vec<LogLine>,
    /// Whether there are earlier ones.
    pub(crate) is_cut: bool,
}

/// Reads the last lines of a run, or of one of its jobs: all lines since some moment, from all logs. What
/// cannot be read is left out. Blocks.
pub(crate) fn read_log_end(run_dir: &Path, only: Option<&str>, limit: EndLimit) -> LogEnd {
    let Ok(run) = Folder::open_no_link(run_dir) else { return LogEnd::default() };
    let mut logs: Vec<(Timestamp, LogName)> = logs_in(&run, only)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| Some((last_write(&run, &name)?, name)))
        .collect();
    logs.sort_by(|one, other| other.cmp(one));
    let mut left = limit.bytes;
    // Before this time, lines are missing.
    let mut complete_from: Option<Timestamp> = None;
    let mut lines = Vec::new();
    for (written, name) in logs {
        if left == 0 {
            complete_from = complete_from.max(Some(written));
            break;
        }
        let Ok(end) = run.open_file(name.path()).and_then(|file| read_end(file, left)) else { continue };
        left = left.saturating_sub(end.bytes);
        if end.is_cut {
            let first = end.records.first().map_or(written, |record| record.time);
            complete_from = complete_from.max(Some(first));
        }
        lines.extend(join(&name, end.records));
    }
    let count = lines.len();
    lines.retain(|line| complete_from.is_none_or(|from| line.time >= from));
    lines.sort_by_key(|line| line.time);
    lines.drain(..lines.len().saturating_sub(limit.lines));
    LogEnd { is_cut: complete_from.is_some() || lines.len() < count, lines }
}

/// When a log was last written to.
fn last_write(run: &Folder, name: &LogName) -> Option<Timestamp> {
    let written: SystemTime = run.open_file(name.path()).ok()?.metadata().ok()?.modified().ok()?;
    let millis = written.duration_since(UNIX_EPOCH).ok()?.as_millis();
    Some(Timestamp::from_millis(i64::try_from(millis).ok()?))
}

/// Joins records to lines.
fn join(name: &LogName, records: Vec<Record>) -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = Vec::new();
    // The indexes of the lines that have begun and not ended, for each stream.
    let mut open: Vec<(&'static str, usize)> = Vec::new();
    for record in records {
        let stream = record.stream.as_str();
        let begun = open.iter().position(|(of, _)| *of == stream).map(|place| open.swap_remove(place).1);
        let place = match begun.and_then(|place| Some((place, lines.get_mut(place)?))) {
            Some((place, line)) => {
                line.bytes.extend_from_slice(&record.bytes);
                line.time = record.time;
                place
            }
            None => {
                let (job, step) = (name.job.clone(), name.step());
                lines.push(LogLine {
                    time: record.time,
                    job,
                    step,
                    service: None,
                    n: 0,
                    stream: record.stream,
                    bytes: record.bytes,
                    is_cut: false,
                });
                lines.len() - 1
            }
        };
        if !record.ends_line {
            open.push((stream, place));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(run_dir: &Path, name: &str, records: impl Iterator<Item = (u32, String)>) {
        let path = run_dir.join("log").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let line = |(ms, text): (u32, String)| {
            format!(
                "2026-11-20T23:{:02}:{:02}.{:03}Z stdout {text}\n",
                ms / 60_000,
                ms / 1000 % 60,
                ms % 1000
            )
        };
        std::fs::write(path, records.map(line).collect::<String>()).unwrap();
    }

    fn texts(end: &LogEnd) -> Vec<String> {
        let text = |line: &LogLine| {
            format!("{} {}", line.job.as_deref().unwrap_or("-"), String::from_utf8_lossy(&line.bytes))
        };
        end.lines.iter().map(text).collect()
    }

    #[test]
    fn the_last_lines_are_those_since_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a/1.log", (0..5000).map(|n| (n * 2, format!("F a{n}"))));
        write(folder.path(), "b/1.log", (0..50).map(|n| (n * 200 + 1, format!("F b{n}"))));
        let all = read_log_end(folder.path(), None, EndLimit { bytes: 1 << 20, lines: 10_000 });
        assert_eq!((all.lines.len(), all.is_cut), (5050, false));
        let end = read_log_end(folder.path(), None, EndLimit { bytes: 20_000, lines: 10_000 });
        assert!(end.is_cut && end.lines.len() < 600, "{}", end.lines.len());
        assert_eq!(texts(&end), texts(&all)[5050 - end.lines.len()..]);
        let few = read_log_end(folder.path(), Some("b"), EndLimit { bytes: 1 << 20, lines: 2 });
        assert_eq!((texts(&few), few.is_cut), (vec!["b b48".to_owned(), "b b49".to_owned()], true));
    }

    #[test]
    fn a_line_of_several_records_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let parts = ["P one ", "F two", "P open"].map(str::to_owned);
        write(folder.path(), "a/1.log", (0..3).zip(parts));
        let end = read_log_end(folder.path(), None, EndLimit { bytes: 1 << 20, lines: 10 });
        assert_eq!(texts(&end), ["a one two", "a open"]);
    }

    #[test]
    fn a_log_without_line_ends_costs_only_what_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("log/a")).unwrap();
        let log = std::fs::File::create(folder.path().join("log/a/1.log")).unwrap();
        log.set_len(40 << 30).unwrap();
        let end = read_log_end(folder.path(), None, EndLimit { bytes: 1 << 20, lines: 10 });
        assert!(end.is_cut && end.lines.is_empty());
    }
}
