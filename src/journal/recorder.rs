//! Writes down what happens in a run: the journal and the logs, everything redacted on the way.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fact::Fact;
use super::reports::Reports;
use super::sink::{JournalError, JournalSink};
use super::step_log::StepLog;
use super::writer::JournalWriter;
use crate::log::{Filter, LogError, LogLimit, LogSink, LogWriter, Sink, Stream};
use crate::model::{Outcome, Reason, SecretName};
use crate::secret::{RedactStream, RedactedText, Redactor};
use crate::sys::folder::Folder;
use crate::sys::kept_output::KeptOutput;

/// The folder of logs in a run's folder.
pub const LOG_FOLDER: &str = "log";

/// The log of what a job's script prints, next to the logs of its steps.
pub const SCRIPT_LOG: &str = "script.log";

/// The log of what the pipeline prints while it is evaluated. No job can have this name, so none has this folder.
pub const EVALUATION_LOG: &str = ".script.log";

/// The most bytes of what a script prints.
const MAX_SCRIPT_LOG: u64 = 16 << 20;

/// How often the end of a run is tried to be written while there is no room for it.
const MAX_END_ATTEMPTS: u32 = 50;

/// The pause between these attempts.
const END_AGAIN: Duration = Duration::from_millis(100);

/// The record of a run. Clones share it.
#[derive(Clone)]
pub struct Recorder {
    run_dir: PathBuf,
    redactor: Redactor,
    log_limit: u64,
    journal: Arc<Mutex<Journal>>,
    logs: Arc<dyn LogSink>,
    scripts: Arc<Mutex<HashMap<String, LogWriter<RedactFilter>>>>,
}

struct Journal {
    sink: Box<dyn JournalSink>,
    /// Whether another process leads the run. It is not asked again.
    is_fenced: bool,
    reports: Reports,
}

/// A filter that takes secrets out and remembers which there were.
pub(crate) struct RedactFilter {
    redactor: Redactor,
    stream: RedactStream,
    found: FoundSecrets,
}

/// The names of the secrets that were found in an output.
pub(crate) type FoundSecrets = Arc<Mutex<BTreeSet<String>>>;

impl Recorder {
    /// Opens the record of the run in this folder.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub fn open(run_dir: &Path, redactor: Redactor, log_limit: u64) -> Result<Self, JournalError> {
        let journal = JournalWriter::open(run_dir)?;
        let logs = Folder::open_no_link(run_dir).map_err(|source| JournalError::of_file(run_dir, source))?;
        Ok(Self::new(run_dir, (Box::new(journal), Arc::new(logs)), redactor, log_limit))
    }

    /// The record of a run that keeps its files in this folder, and its facts and logs elsewhere.
    pub fn new(
        run_dir: &Path,
        (sink, logs): (Box<dyn JournalSink>, Arc<dyn LogSink>),
        redactor: Redactor,
        log_limit: u64,
    ) -> Self {
        Self {
            run_dir: run_dir.to_owned(),
            redactor,
            log_limit,
            journal: Arc::new(Mutex::new(Journal { sink, is_fenced: false, reports: Reports::default() })),
            logs,
            scripts: Arc::default(),
        }
    }

    /// Writes a fact. Waits for the disk when it is an end.
    ///
    /// # Errors
    /// When it could not be written: then nothing that follows from it may be done.
    pub(crate) fn write(&self, fact: Fact<String>) -> Result<(), JournalError> {
        let fact = fact.redacted(&self.redactor);
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.report_prints()?;
        journal.append(fact)
    }

    /// Says that the log of a step has grown; whether that is in the journal now.
    pub(super) fn report_step(&self, job: &str, number: u32, bytes: u64) -> bool {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let grown = Fact::LogGrown { job: Some(job.to_owned()), number, bytes };
        // A log is not a fact: that its growth could not be said is no reason to end the step.
        journal.reports.is_due(Instant::now()) && journal.append(grown).is_ok()
    }

    /// Writes the end of the run. That the disk is full, or away, for a moment does not make an interrupted run of one that
    /// has ended. Blocking.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn write_end(&self, ended: (Outcome, Option<Reason>)) -> Result<(), JournalError> {
        let mut attempts = 1;
        loop {
            match self.write(Fact::run_ended(ended.clone())) {
                Err(error) if error.is_for_now() && attempts < MAX_END_ATTEMPTS => attempts += 1,
                written => return written,
            }
            std::thread::sleep(END_AGAIN);
        }
    }

    /// Writes nothing any more: another process may lead the run.
    pub(crate) fn fence(&self) {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).is_fenced = true;
    }

    /// Whether another process leads the run.
    pub(crate) fn is_fenced(&self) -> bool {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).is_fenced
    }

    /// Whether the value of a secret is too short to be masked.
    pub(crate) fn is_unmasked(&self, secret: &str) -> bool {
        self.redactor.unmasked().iter().any(|name| name.as_str() == secret)
    }

    /// The folder of the run.
    pub(crate) fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// A text without secrets.
    pub(crate) fn redact(&self, text: &str) -> RedactedText {
        self.redactor.text(text)
    }

    /// Finds secrets in the content of a file; nothing when the run has none.
    pub(crate) fn secret_finder(&self) -> Option<RedactStream> {
        self.redactor.finder()
    }

    /// The secrets whose values are too short to be masked.
    pub(crate) fn unmasked(&self) -> &[SecretName] {
        self.redactor.unmasked()
    }

    /// Begins the log of a step; the set fills with the names of the secrets that its output holds.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn step_log(&self, job: &str, step: u32) -> Result<(StepLog, FoundSecrets), LogError> {
        let path = Path::new(LOG_FOLDER).join(job).join(format!("{step}.log"));
        let (log, found) = self.log(&path, self.log_limit)?;
        Ok((StepLog::new(self, (job, step), log), found))
    }

    fn log(&self, path: &Path, limit: u64) -> Result<(LogWriter<RedactFilter>, FoundSecrets), LogError> {
        let found = FoundSecrets::default();
        let filter = || RedactFilter {
            redactor: self.redactor.clone(),
            stream: self.redactor.stream(),
            found: Arc::clone(&found),
        };
        let log = LogWriter::create(&*self.logs, path, LogLimit::new(limit), filter)?;
        Ok((log, found))
    }

    /// Writes a line that a script prints; without a job, the pipeline is being evaluated. A line that cannot be
    /// written is lost: it is not a fact.
    pub(crate) fn print(&self, job: Option<&str>, line: &[u8]) {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = job.unwrap_or_default();
        if !scripts.contains_key(key) {
            let folder = Path::new(LOG_FOLDER);
            let path = match job {
                Some(job) => folder.join(job).join(SCRIPT_LOG),
                None => folder.join(EVALUATION_LOG),
            };
            match self.log(&path, MAX_SCRIPT_LOG) {
                Ok((log, _)) => {
                    scripts.insert(key.to_owned(), log);
                }
                Err(problem) => tracing::warn!(%problem, "a script's log is lost"),
            }
        }
        if let Some(log) = scripts.get_mut(key) {
            let written = log.write(Stream::Stdout, &[line, b"\n"].concat()).and_then(|()| log.quiet());
            if let Err(problem) = written {
                tracing::warn!(%problem, "a line of a script is lost");
            }
            let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.reports.print(job, log.length());
            if journal.reports.is_due_for_prints(Instant::now())
                && let Err(problem) = journal.report_prints()
            {
                tracing::warn!(%problem, "a line of a script is reported later");
            }
        }
    }

    /// Closes what a job's script printed.
    pub(crate) fn close_script(&self, job: &str) {
        let log = self.scripts.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
        if let Some(Err(problem)) = log.map(LogWriter::finish) {
            tracing::warn!(%problem, "the end of a script's log is lost");
        }
    }
}

impl Journal {
    fn append(&mut self, fact: Fact) -> Result<(), JournalError> {
        if self.is_fenced {
            return Err(JournalError::Fenced);
        }
        let written = self.sink.append(fact);
        self.is_fenced = matches!(written, Err(JournalError::Fenced));
        written
    }

    /// Says what scripts have printed, before anything that comes after it.
    fn report_prints(&mut self) -> Result<(), JournalError> {
        while let Some((job, bytes)) = self.reports.next_print() {
            self.append(Fact::LogGrown { job: job.clone(), number: 0, bytes })?;
            self.reports.printed(&job);
        }
        Ok(())
    }
}

impl Filter for RedactFilter {
    fn push(&mut self, bytes: &[u8], clean: &mut dyn FnMut(&[u8])) {
        self.stream.pass_on(bytes, clean);
        self.note();
    }

    fn finish(&mut self) -> Vec<u8> {
        let clean = self.stream.finish().into_bytes();
        self.note();
        clean
    }

    fn quiet(&mut self) -> Vec<u8> {
        self.stream.flush_safe().into_bytes()
    }

    fn cut_value(&self, kept: &KeptOutput) -> usize {
        self.redactor.cut_value(kept)
    }
}

impl RedactFilter {
    /// Remembers the names that were found since the last time.
    fn note(&self) {
        let seen = self.stream.found();
        if !seen.is_empty() {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            if found.len() < seen.len() || seen.iter().any(|name| !found.contains(name.as_str())) {
                found.extend(seen.iter().map(ToString::to_string));
            }
        }
    }
}
