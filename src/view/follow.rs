//! Follows the logs of a run while they grow: the one reader behind `quire logs`, `-f` and a push that waits.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::journal::{JobRecord, RunRecord};
use crate::log::{LogReader, Stream};
use crate::model::Timestamp;

/// A line of output, or the part of one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub time: Timestamp,
    /// The job; nothing for what the pipeline printed while it was evaluated.
    pub job: Option<String>,
    /// The number of the step; 0 for what the script printed.
    pub step: u32,
    /// Who said it.
    pub stream: Stream,
    /// The bytes of the line, without its line feed.
    pub bytes: Vec<u8>,
}

/// Reads the logs of one run, from where it stopped.
#[derive(Debug)]
pub struct LogFollower {
    folder: PathBuf,
    only: Option<String>,
    files: BTreeMap<PathBuf, Open>,
}

/// A log that is read.
#[derive(Debug)]
struct Open {
    job: Option<String>,
    step: u32,
    reader: LogReader,
    /// The beginnings of lines whose ends have not come, of each stream.
    begun: BTreeMap<&'static str, (Timestamp, Vec<u8>)>,
}

impl LogFollower {
    /// A follower of the run in `run_dir`, of one job or of all.
    pub fn new(run_dir: &Path, job: Option<String>) -> LogFollower {
        LogFollower { folder: run_dir.join("log"), only: job, files: BTreeMap::new() }
    }

    /// The folders in which something changes when there is more to read.
    pub fn folders(&self) -> Vec<PathBuf> {
        let below = fs::read_dir(&self.folder).into_iter().flatten().filter_map(|entry| entry.ok());
        let folders = below.map(|entry| entry.path()).filter(|path| path.is_dir());
        folders.chain([self.folder.clone()]).collect()
    }

    /// All lines that have been completed since the last call, by their time. A line that was never ended is complete
    /// when the record says that its step has ended: the record was read before this call.
    ///
    /// # Errors
    /// When a log is there and cannot be read.
    pub fn read(&mut self, record: &RunRecord) -> io::Result<Vec<LogLine>> {
        self.read_on(|open| open.is_complete(record))
    }

    /// All lines that have come since the last call, by their time. Call it when what is followed has ended.
    ///
    /// # Errors
    /// When a log is there and cannot be read.
    pub fn finish(&mut self) -> io::Result<Vec<LogLine>> {
        self.read_on(|_| true)
    }

    fn read_on(&mut self, is_complete: impl Fn(&Open) -> bool) -> io::Result<Vec<LogLine>> {
        self.open_new()?;
        let mut lines = Vec::new();
        for open in self.files.values_mut() {
            open.read(&mut lines)?;
            if is_complete(open) {
                open.finish(&mut lines);
            }
        }
        lines.sort_by_key(|line| line.time);
        Ok(lines)
    }

    /// Opens the logs that have come up since the last call.
    fn open_new(&mut self) -> io::Result<()> {
        for folder in self.folders() {
            let job = folder.strip_prefix(&self.folder).ok().and_then(Path::to_str).map(str::to_owned);
            let job = job.filter(|job| !job.is_empty());
            if self.only.is_some() && job != self.only {
                continue;
            }
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let entry = entry?;
                let path = entry.path();
                // A job may be called `1.log`: its folder is no log.
                let is_log = path.extension().is_some_and(|extension| extension == "log")
                    && entry.file_type()?.is_file();
                if is_log && !self.files.contains_key(&path) {
                    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                    let step = stem.parse().unwrap_or_default();
                    let open = Open {
                        job: job.clone(),
                        step,
                        reader: LogReader::open(&path)?,
                        begun: BTreeMap::new(),
                    };
                    self.files.insert(path, open);
                }
            }
        }
        Ok(())
    }
}

impl Open {
    fn read(&mut self, lines: &mut Vec<LogLine>) -> io::Result<()> {
        for entry in self.reader.by_ref() {
            // A line that is no record is what a killed writer left.
            let Ok(record) = entry?.record else { continue };
            let begun = self.begun.remove(record.stream.as_str());
            let (begun_at, mut bytes) = begun.unwrap_or_else(|| (record.time, Vec::new()));
            bytes.extend_from_slice(&record.bytes);
            if record.ends_line {
                let (job, step, stream) = (self.job.clone(), self.step, record.stream);
                lines.push(LogLine { time: record.time, job, step, stream, bytes });
            } else {
                self.begun.insert(record.stream.as_str(), (begun_at, bytes));
            }
        }
        Ok(())
    }

    /// Gives the lines that have begun and will not be ended.
    fn finish(&mut self, lines: &mut Vec<LogLine>) {
        for (word, (time, bytes)) in std::mem::take(&mut self.begun) {
            let stream = if word == "stderr" { Stream::Stderr } else { Stream::Stdout };
            lines.push(LogLine { time, job: self.job.clone(), step: self.step, stream, bytes });
        }
    }

    /// Whether the record says that nothing more comes.
    fn is_complete(&self, record: &RunRecord) -> bool {
        let Some(id) = &self.job else { return record.is_evaluated || record.outcome.is_some() };
        let job = record.jobs.iter().find(|job| job.id == *id);
        let has_ended = |job: &JobRecord| {
            let step = job.steps.iter().find(|step| step.number == self.step);
            job.outcome.is_some() || step.is_some_and(|step| step.finished_at.is_some())
        };
        record.outcome.is_some() || job.is_some_and(has_ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Fact, JobFact, Record};
    use crate::log::{LogLimit, LogWriter, PassThrough, Sink};

    fn texts(lines: &[LogLine]) -> Vec<String> {
        let text = |line: &LogLine| {
            let job = line.job.as_deref().unwrap_or("-");
            format!("{job} {} {}", line.step, String::from_utf8_lossy(&line.bytes))
        };
        lines.iter().map(text).collect()
    }

    #[test]
    fn lines_come_once_and_whole_from_all_logs() {
        let folder = tempfile::tempdir().unwrap();
        let running = RunRecord::default();
        let mut follower = LogFollower::new(folder.path(), None);
        assert!(follower.read(&running).unwrap().is_empty());
        let path = |name: &str| folder.path().join("log").join(name);
        let create =
            |name: &str| LogWriter::create(&path(name), LogLimit::new(1 << 20), || PassThrough).unwrap();
        let mut one = create("test/1.log");
        one.write(Stream::Stdout, b"a\nb").unwrap();
        let mut script = create("script.log");
        script.write(Stream::Stdout, b"evaluated\n").unwrap();
        let mut seen = texts(&follower.read(&running).unwrap());
        one.write(Stream::Stdout, b"c\nd").unwrap();
        one.finish().unwrap();
        script.finish().unwrap();
        seen.extend(texts(&follower.read(&running).unwrap()));
        seen.extend(texts(&follower.finish().unwrap()));
        seen.sort();
        assert_eq!(seen, ["- 0 evaluated", "test 1 a", "test 1 bc", "test 1 d"]);
        let mut only = LogFollower::new(folder.path(), Some("docs".to_owned()));
        assert!(only.read(&running).unwrap().is_empty());
    }
    #[test]
    fn a_line_without_an_end_comes_when_its_step_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log/test/1.log");
        let mut writer = LogWriter::create(&path, LogLimit::new(1 << 20), || PassThrough).unwrap();
        writer.write(Stream::Stdout, b"no end").unwrap();
        writer.finish().unwrap();
        let mut record = RunRecord::default();
        let mut follower = LogFollower::new(folder.path(), None);
        let jobs = vec![JobFact { id: "test".into(), needs: Vec::new() }];
        let evaluated = Fact::Evaluated { jobs, diagnostics: Vec::new() };
        let started = Fact::StepStarted { job: "test".into(), step: 1, title: "t".into(), line: None };
        let ended = Fact::StepEnded {
            job: "test".into(),
            step: 1,
            outcome: "passed".into(),
            exit: 0,
            signal: None,
            duration_ms: 1,
            left_out: 0,
            secrets: Vec::new(),
            leftovers: Vec::new(),
        };
        for (fact, expected) in [(evaluated, &[][..]), (started, &[]), (ended, &["test 1 no end"])] {
            record.apply(Record { v: 1, t: Timestamp::from_millis(0).to_string(), fact });
            assert_eq!(texts(&follower.read(&record).unwrap()), expected);
        }
        assert!(follower.finish().unwrap().is_empty());
    }
}
