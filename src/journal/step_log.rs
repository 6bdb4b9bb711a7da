//! The log of one step, which the journal says has grown.

use super::recorder::{Recorder, RedactFilter};
use crate::log::{LogEnd, LogError, LogWriter, Sink, Stream};
use crate::secret::RedactedText;
use crate::sys::kept_output::KeptOutput;

/// The log of one step.
pub(crate) struct StepLog {
    log: LogWriter<RedactFilter>,
    recorder: Recorder,
    job: String,
    step: u32,
    /// The bytes that the journal knows of.
    reported: u64,
}

impl StepLog {
    pub(super) fn new(recorder: &Recorder, (job, step): (&str, u32), log: LogWriter<RedactFilter>) -> Self {
        Self { log, recorder: recorder.clone(), job: job.to_owned(), step, reported: 0 }
    }

    /// Writes a remark of quire.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn note(&mut self, text: &RedactedText) -> Result<(), LogError> {
        self.log.note(text)
    }

    /// Writes the rest and closes the file.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn finish(self) -> Result<LogEnd, LogError> {
        self.log.finish()
    }
}

impl Sink for StepLog {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), LogError> {
        self.log.write(stream, bytes)
    }

    fn cut_value(&self, kept: &KeptOutput) -> usize {
        self.log.cut_value(kept)
    }

    fn quiet(&mut self) -> Result<(), LogError> {
        self.log.quiet()
    }

    fn report(&mut self) -> bool {
        let length = self.log.length();
        if length > self.reported && self.recorder.report_step(&self.job, self.step, length) {
            self.reported = length;
        }
        length == self.reported
    }
}
