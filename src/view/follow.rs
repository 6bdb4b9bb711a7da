//! Follows the logs of a run while they grow: the one reader behind `quire logs`, `-f` and a push that waits.
//!
//! A call reads a bounded amount, however much is pending: lines are returned in the order of their times, one batch a call.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::path::{Path, PathBuf};

use super::log_names::{LogName, jobs_in, log_folder, logs_in};
use crate::journal::{JobRecord, RunRecord};
use crate::log::{LogReader, Record, Stream};
use crate::model::Timestamp;
use crate::sys::clock;
use crate::sys::folder::Folder;

/// The most that one call reads, in bytes of the files.
const MAX_BATCH: usize = 512 << 10;

/// What a line costs in memory in addition to its bytes.
const LINE_COST: usize = 160;

/// The longest line that is returned whole, in bytes; a longer one is returned in pieces.
const MAX_LINE: usize = 64 << 10;

/// The most logs of a run that are open at the same time.
const MAX_OPEN: usize = 16;

/// A line of output, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// When it was written.
    pub(crate) time: Timestamp,
    /// The job; `None` for output of the pipeline during its evaluation.
    pub(crate) job: Option<String>,
    /// The number of the step; 0 for what the script printed.
    pub(crate) step: u32,
    /// The service that wrote it, as far as the journal tells.
    pub(crate) service: Option<String>,
    /// The number of the line in its log, over both streams, from 1; 0 where it is not known.
    pub(crate) n: u64,
    /// Its origin.
    pub(crate) stream: Stream,
    /// The bytes of the line, without its line feed.
    pub(crate) bytes: Vec<u8>,
    /// Whether the line is longer: the next one with its number continues it.
    pub(crate) is_cut: bool,
}

impl LogLine {
    /// What wrote it, for people: `job`, or `job/service`; `quire` for output of the pipeline during its evaluation.
    pub(crate) fn origin(&self) -> String {
        let job = self.job.as_deref().unwrap_or("quire");
        self.service.as_ref().map_or_else(|| job.to_owned(), |service| format!("{job}/{service}"))
    }
}

/// Reads the logs of one run, from where it stopped.
#[derive(Debug, Default)]
pub(crate) struct LogFollower {
    run_dir: PathBuf,
    only: Option<String>,
    /// Only the log of this step.
    step: Option<u32>,
    logs: BTreeMap<LogName, Log>,
    has_more: bool,
    /// The services of the run, by job and step.
    services: BTreeMap<(String, u32), String>,
}

/// A log that is being read.
#[derive(Debug)]
struct Log {
    job: Option<String>,
    step: u32,
    /// Where reading continues.
    offset: u64,
    /// How many lines have begun.
    count: u64,
    reader: Option<LogReader>,
    /// The next line that was not returned.
    next: Option<LogLine>,
    /// The beginnings of lines whose ends have not come, for each stream.
    begun: BTreeMap<&'static str, LogLine>,
    /// Whether the log is complete.
    is_over: bool,
}

impl LogFollower {
    /// A follower of the run in `run_dir`, of one job or of all.
    pub(crate) fn new(run_dir: &Path, job: Option<String>) -> Self {
        Self {
            run_dir: run_dir.to_owned(),
            only: job,
            step: None,
            logs: BTreeMap::new(),
            has_more: false,
            services: BTreeMap::new(),
        }
    }

    /// The same follower, of one step only; 0 for what the script prints.
    #[must_use]
    pub(crate) fn of_step(self, step: Option<u32>) -> Self {
        Self { step, ..self }
    }

    /// Another follower that reads on from the same place.
    #[must_use]
    pub(crate) fn copy(&self) -> Self {
        let logs = self.logs.iter().map(|(name, log)| (name.clone(), log.copy()));
        Self {
            run_dir: self.run_dir.clone(),
            only: self.only.clone(),
            step: self.step,
            logs: logs.collect(),
            has_more: self.has_more,
            services: self.services.clone(),
        }
    }

    /// The folders in which something changes when there is more to read.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let jobs = Folder::open_no_link(&self.run_dir).and_then(|run| jobs_in(&run)).unwrap_or_default();
        let folder = |job: Option<String>| self.run_dir.join(log_folder(job.as_deref()));
        jobs.into_iter().map(folder).collect()
    }

    /// Whether the last call has left more to be read at once.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// The next complete lines, by their time; see [`LogFollower::has_more`]. A line that was never ended is complete
    /// when the record says that its step has ended: the record was read before this call.
    ///
    /// # Errors
    /// The logs exist and cannot be listed.
    pub(crate) fn read(&mut self, record: &RunRecord) -> io::Result<Vec<LogLine>> {
        self.name_services(record);
        self.read_on(|log| log.is_complete(record))
    }

    /// Learns from the record which steps are services.
    pub(crate) fn name_services(&mut self, record: &RunRecord) {
        self.services = services_of(record);
    }

    /// The next lines, by their time, including unfinished ones. Call it when the run has ended.
    ///
    /// # Errors
    /// The logs exist and cannot be listed.
    pub(crate) fn finish(&mut self) -> io::Result<Vec<LogLine>> {
        self.read_on(|_| true)
    }

    fn read_on(&mut self, is_complete: impl Fn(&Log) -> bool) -> io::Result<Vec<LogLine>> {
        let run = match Folder::open_no_link(&self.run_dir) {
            Ok(run) => run,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        if !self.has_more {
            for name in logs_in(&run, self.only.as_deref())? {
                if self.step.is_some_and(|step| step != name.step()) {
                    continue;
                }
                self.logs.entry(name).or_insert_with_key(Log::new);
            }
        }
        let mut left = MAX_BATCH;
        let mut queue = BinaryHeap::new();
        let mut open = 0;
        for (name, log) in &mut self.logs {
            log.advance(&run, name, &is_complete, &mut left);
            log.limit_open(&mut open);
            queue.extend(log.next.as_ref().map(|line| Reverse((line.time, name.clone()))));
        }
        let mut lines = Vec::new();
        while left > 0
            && let Some(Reverse((_, name))) = queue.pop()
        {
            let Some(log) = self.logs.get_mut(&name) else { continue };
            if let Some(mut line) = log.next.take() {
                line.service = line.job.clone().and_then(|job| self.services.get(&(job, line.step)).cloned());
                left = left.saturating_sub(line.bytes.len() + LINE_COST);
                lines.push(line);
            }
            log.advance(&run, &name, &is_complete, &mut left);
            queue.extend(log.next.as_ref().map(|line| Reverse((line.time, name))));
        }
        self.has_more = left == 0;
        Ok(lines)
    }
}

/// The services among the steps of a run, by job and step.
fn services_of(record: &RunRecord) -> BTreeMap<(String, u32), String> {
    let steps = record.jobs.iter().flat_map(|job| job.steps.iter().map(|step| (&job.id, &step.start)));
    let services = steps.filter(|(_, start)| start.line.is_none()).filter_map(|(job, start)| {
        let name = start.title.to_string().strip_prefix("service ")?.to_owned();
        Some(((job.to_string(), start.number), name))
    });
    services.collect()
}

impl Log {
    fn new(name: &LogName) -> Self {
        Self {
            job: name.job.clone(),
            step: name.step(),
            offset: 0,
            count: 0,
            reader: None,
            next: None,
            begun: BTreeMap::new(),
            is_over: false,
        }
    }

    /// The same log, which is opened again when it is read.
    fn copy(&self) -> Self {
        Self {
            job: self.job.clone(),
            step: self.step,
            offset: self.offset,
            count: self.count,
            reader: None,
            next: self.next.clone(),
            begun: self.begun.clone(),
            is_over: self.is_over,
        }
    }

    /// Reads until there is a next line, the file ends, or nothing is left of the batch.
    fn advance(
        &mut self,
        run: &Folder,
        name: &LogName,
        is_complete: impl Fn(&Self) -> bool,
        left: &mut usize,
    ) {
        if self.next.is_some() || self.is_over {
            return;
        }
        match self.read_line(run, name, left) {
            Ok(line @ Some(_)) => self.next = line,
            Ok(None) if *left == 0 => {}
            Ok(None) => {
                self.reader = None;
                if is_complete(self) {
                    // Of a line that was cut, the rest can be empty.
                    let is_more = |line: &LogLine| !(line.is_cut && line.bytes.is_empty());
                    let mut rest =
                        std::mem::take(&mut self.begun).into_iter().filter(|(_, line)| is_more(line));
                    self.next = rest.next().map(|(_, line)| LogLine { is_cut: false, ..line });
                    self.begun = rest.collect();
                    self.is_over = self.next.is_none();
                }
            }
            Err(error) => {
                let text = format!("[cannot read {}: {error}]", name.path().display());
                self.next = Some(self.line(clock::now(), Stream::Quire, text.into_bytes()));
                self.is_over = true;
            }
        }
    }

    /// The next complete line; `None` at the end of the file, or of the batch.
    fn read_line(&mut self, run: &Folder, name: &LogName, left: &mut usize) -> io::Result<Option<LogLine>> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => LogReader::over(run.open_file(name.path())?, self.offset)?,
        };
        while *left > 0
            && let Some(entry) = reader.next()
        {
            let entry = entry?;
            let length = usize::try_from(entry.end - entry.offset).unwrap_or(usize::MAX);
            *left = left.saturating_sub(length);
            self.offset = entry.end;
            // A line that is not a record is left by a killed writer.
            let line = entry.record.ok().and_then(|record| self.join(record));
            if line.is_some() {
                self.reader = Some(reader);
                return Ok(line);
            }
        }
        self.reader = Some(reader);
        Ok(None)
    }

    /// Appends a record to the current line; returns the line when it is complete.
    fn join(&mut self, record: Record) -> Option<LogLine> {
        let mut line = match self.begun.remove(record.stream.as_str()) {
            Some(mut line) => {
                line.bytes.extend_from_slice(&record.bytes);
                line
            }
            None => {
                self.count += 1;
                self.line(record.time, record.stream, record.bytes)
            }
        };
        line.is_cut = !record.ends_line;
        if record.ends_line {
            line.time = record.time;
            return Some(line);
        }
        if line.bytes.len() >= MAX_LINE {
            line.time = record.time;
            let rest = LogLine { bytes: Vec::new(), ..line.clone() };
            self.begun.insert(record.stream.as_str(), rest);
            return Some(line);
        }
        self.begun.insert(record.stream.as_str(), line);
        None
    }

    fn line(&self, time: Timestamp, stream: Stream, bytes: Vec<u8>) -> LogLine {
        let (job, step, n) = (self.job.clone(), self.step, self.count);
        LogLine { time, job, step, service: None, n, stream, bytes, is_cut: false }
    }

    /// Closes the file when too many are open; it is opened again when reading continues.
    fn limit_open(&mut self, open: &mut usize) {
        *open += usize::from(self.reader.is_some());
        if *open > MAX_OPEN {
            self.reader = None;
        }
    }

    /// Whether the record says that the log is complete.
    fn is_complete(&self, record: &RunRecord) -> bool {
        let Some(id) = &self.job else { return record.is_evaluated || record.outcome.is_some() };
        let job = record.jobs.iter().find(|job| job.id == *id);
        let has_ended = |job: &JobRecord| {
            let step = job.steps.iter().find(|step| step.start.number == self.step);
            job.outcome.is_some() || step.is_some_and(|step| step.finished_at.is_some())
        };
        record.outcome.is_some() || job.is_some_and(has_ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Fact, JobFact, Record, StepEnd, StepStart};
    use crate::log::{LogLimit, LogWriter, PassThrough, Sink};
    use crate::model::Outcome;

    fn create(run_dir: &Path, name: &str) -> LogWriter<PassThrough> {
        let run = Folder::open(run_dir).unwrap();
        LogWriter::create(&run, &log_folder(None).join(name), LogLimit::new(1 << 26), || PassThrough).unwrap()
    }

    /// All remaining lines, and the most that one call returned.
    fn all(follower: &mut LogFollower) -> (Vec<LogLine>, usize) {
        let (mut lines, mut most) = (Vec::new(), 0);
        loop {
            let more = follower.finish().unwrap();
            most = most.max(more.len());
            lines.extend(more);
            if !follower.has_more() {
                return (lines, most);
            }
        }
    }

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
        let create = |name: &str| create(folder.path(), name);
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
    fn an_unfinished_line_is_returned_when_its_step_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = create(folder.path(), "test/1.log");
        writer.write(Stream::Stdout, b"no end").unwrap();
        writer.finish().unwrap();
        let mut record = RunRecord::default();
        let mut follower = LogFollower::new(folder.path(), None);
        let jobs = vec![JobFact { id: "test".into(), needs: Vec::new() }];
        let evaluated = Fact::Evaluated { jobs, diagnostics: Vec::new() };
        let step = StepStart { number: 1, title: "t".into(), line: None };
        let started = Fact::StepStarted { job: "test".into(), step };
        let end = StepEnd {
            outcome: Outcome::Passed,
            exit: 0,
            signal: None,
            duration_ms: 1,
            left_out: 0,
            log_bytes: None,
            secrets: Vec::new(),
            leftovers: Vec::new(),
        };
        let ended = Fact::StepEnded { job: "test".into(), number: 1, end };
        let facts = [(evaluated, &[][..]), (started, &[]), (ended, &["test 1 no end"])];
        for (seq, (fact, expected)) in (1..).zip(facts) {
            let at = Timestamp::from_millis(0);
            record.apply(Record { seq, attempt: 1, at, fact, is_in_order: true });
            assert_eq!(texts(&follower.read(&record).unwrap()), expected);
        }
        assert!(follower.finish().unwrap().is_empty());
    }

    #[test]
    fn short_lines_are_returned_in_batches_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/1.log", "b/1.log"] {
            let mut writer = create(folder.path(), name);
            writer.write(Stream::Stdout, &b"\n".repeat(20_000)).unwrap();
            writer.finish().unwrap();
        }
        let (lines, most) = all(&mut LogFollower::new(folder.path(), None));
        assert_eq!(lines.len(), 40_000);
        assert!(most * (LINE_COST + 35) <= MAX_BATCH + 100_000, "{most} lines in a batch");
        assert!(lines.is_sorted_by_key(|line| line.time));
    }

    #[test]
    fn a_line_without_end_comes_in_pieces_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = create(folder.path(), "a/1.log");
        writer.write(Stream::Stdout, &vec![b'x'; 3_000_000]).unwrap();
        writer.finish().unwrap();
        let (lines, _) = all(&mut LogFollower::new(folder.path(), None));
        assert_eq!(lines.iter().map(|line| line.bytes.len()).sum::<usize>(), 3_000_000);
        assert!(lines.iter().all(|line| line.bytes.len() < 2 * MAX_LINE));
    }

    #[test]
    fn files_that_are_not_logs_are_reported_and_the_others_read() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let mut writer = create(folder.path(), "a/1.log");
        writer.write(Stream::Stdout, b"fine\n").unwrap();
        writer.finish().unwrap();
        let logs = folder.path().join(log_folder(None));
        symlink("/dev/zero", logs.join("a/2.log")).unwrap();
        symlink("/etc", logs.join("etc")).unwrap();
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, logs.join("a/3.log"), rustix::fs::FileType::Fifo, mode, 0)
            .unwrap();
        let (lines, _) = all(&mut LogFollower::new(folder.path(), None));
        let texts = texts(&lines);
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert_eq!(texts[0], "a 1 fine");
        assert!(texts[1].contains("cannot read log/a/2.log") && texts[2].contains("cannot read log/a/3.log"));
        symlink(folder.path(), folder.path().join("run")).unwrap();
        assert!(LogFollower::new(&folder.path().join("run"), None).finish().is_err());
    }

    #[test]
    fn a_sparse_log_is_read_at_once() {
        let folder = tempfile::tempdir().unwrap();
        drop(create(folder.path(), "a/1.log"));
        let log = std::fs::File::options().write(true).open(folder.path().join("log/a/1.log")).unwrap();
        log.set_len(40 << 30).unwrap();
        let mut follower = LogFollower::new(folder.path(), None);
        assert!(all(&mut follower).0.is_empty());
    }
}
