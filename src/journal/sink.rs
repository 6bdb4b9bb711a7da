//! What a journal promises to the process that leads or settles a run, wherever the journal is.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::fact::Fact;
use super::reader::JournalReadError;

/// Keeps the facts of a run, in their order, for the one process that leads or settles it.
///
/// A fact is appended before its effect can be seen: when it could not be appended, nothing that follows from it may happen.
/// A fact that is an end is durable when `append` returns. After the end of the run nothing is kept. Blocking.
pub trait JournalSink: Send {
    /// Appends one fact.
    ///
    /// # Errors
    /// The fact could not be written or synced.
    fn append(&mut self, fact: Fact) -> Result<(), JournalError>;
}

/// Why a fact is not in the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process leads the run by now. This one stops, and writes no end.
    #[error("another process leads the run")]
    Fenced,
    /// The machine that keeps the journal does not answer; it may answer later.
    #[error("the journal {path} cannot be reached")]
    Away {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// There is no space left; there may be some later.
    #[error("no space is left for the journal {path}")]
    Full {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Any other error of the operating system.
    #[error("could not write to the journal {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// What the journal holds could not be read.
    #[error("could not continue the journal {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JournalReadError,
    },
    /// The fact could not be put into JSON.
    #[error("could not encode a fact for the journal")]
    Encode(#[source] serde_json::Error),
}

impl JournalError {
    /// The error of a file.
    pub(super) fn of_file(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full { path, source },
            Some(Errno::STALE | Errno::NOTCONN | Errno::TIMEDOUT | Errno::HOSTDOWN | Errno::HOSTUNREACH) => {
                Self::Away { path, source }
            }
            Some(_) | None => Self::Io { path, source },
        }
    }

    /// Whether the same fact may be appended later.
    pub(crate) fn is_for_now(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Full { .. } => true,
            Self::Fenced | Self::Io { .. } | Self::Read { .. } | Self::Encode(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::journal::{JournalReader, JournalWriter};
    use crate::model::Outcome;
    use crate::secret::Redactor;

    #[test]
    fn errors_of_files_say_whether_another_attempt_can_help() {
        for (errno, is_for_now) in [
            (Errno::NOSPC, true),
            (Errno::DQUOT, true),
            (Errno::STALE, true),
            (Errno::HOSTDOWN, true),
            (Errno::IO, false),
            (Errno::ACCESS, false),
        ] {
            let error = JournalError::of_file(Path::new("x"), errno.into());
            assert_eq!(error.is_for_now(), is_for_now, "{errno:?}");
        }
        assert!(!JournalError::Fenced.is_for_now());
    }

    /// A journal in memory, as far as anybody but its writer sees it.
    struct Memory(Arc<Mutex<Vec<Fact>>>);

    impl JournalSink for Memory {
        fn append(&mut self, fact: Fact) -> Result<(), JournalError> {
            let mut facts = self.0.lock().unwrap();
            if !matches!(facts.last(), Some(Fact::RunEnded { .. })) {
                facts.push(fact);
            }
            Ok(())
        }
    }

    /// What every journal promises.
    fn expect_facts_in_order(mut sink: impl JournalSink, facts: impl Fn() -> Vec<Fact>) {
        let started = |job: &str| Fact::JobStarted { job: job.to_owned() };
        let end = || Fact::run_ended((Outcome::Passed, None)).redacted(&Redactor::none());
        let written = [Fact::RunStarted {}, started("b"), started("a"), end()];
        for fact in &written {
            sink.append(fact.clone()).unwrap();
            assert_eq!(facts().last(), Some(fact), "a fact is there when `append` returns");
        }
        // What a step that was killed at the end says comes too late.
        sink.append(started("late")).unwrap();
        sink.append(end()).unwrap();
        assert_eq!(facts(), written);
    }

    #[test]
    fn facts_are_kept_in_order_until_the_end_of_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let read = || {
            let records = JournalReader::new(folder.path()).read().unwrap();
            records.into_iter().map(|record| record.fact).collect::<Vec<_>>()
        };
        expect_facts_in_order(JournalWriter::open(folder.path()).unwrap(), read);
        let memory = Arc::new(Mutex::new(Vec::new()));
        expect_facts_in_order(Memory(Arc::clone(&memory)), || memory.lock().unwrap().clone());
    }
}
