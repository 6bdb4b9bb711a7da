//! Writes a step log: output in, records out.

use std::io;
use std::path::{Path, PathBuf};

use super::limit::{LimitedFile, LogLimit};
use super::line::{MAX_RECORD, Stream};
use super::sink::LogSink;
use crate::secret::RedactedText;
use crate::sys::clock;
use crate::sys::kept_output::KeptOutput;

/// Removes the secrets from one stream of output.
pub trait Filter: Send {
    /// Takes output, and gives the part that is clean, piece by piece; it may hold back the end until it knows more.
    fn push(&mut self, bytes: &[u8], clean: &mut dyn FnMut(&[u8]));
    /// Returns the rest.
    fn finish(&mut self) -> Vec<u8>;
    /// Returns what can be shown after a moment of silence.
    fn quiet(&mut self) -> Vec<u8>;
    /// How many bytes at the end of output that was cut there begin a secret: it would not be recognised later.
    fn cut_value(&self, kept: &KeptOutput) -> usize;
}

/// Receives the output of a step.
pub trait Sink: Send {
    /// Receives some output.
    ///
    /// # Errors
    /// It could not be stored.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), LogError>;

    /// How many bytes at the end of output that was kept and cut there begin a secret.
    fn cut_value(&self, kept: &KeptOutput) -> usize;

    /// Called when the step has been silent for a moment: a prompt without a line feed becomes visible.
    ///
    /// # Errors
    /// Pending output could not be stored.
    fn quiet(&mut self) -> Result<(), LogError>;

    /// Called soon after output has come: whoever follows the log hears how far it has grown. Whether that could be said;
    /// if not, it is called again.
    fn report(&mut self) -> bool {
        true
    }
}

/// A filter that lets everything through.
#[derive(Debug, Clone, Copy, Default)]
pub struct PassThrough;

impl Filter for PassThrough {
    fn push(&mut self, bytes: &[u8], clean: &mut dyn FnMut(&[u8])) {
        clean(bytes);
    }

    fn finish(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn quiet(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn cut_value(&self, _kept: &KeptOutput) -> usize {
        0
    }
}

/// Why a step log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file or its folder could not be created.
    #[error("could not create the log file {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A record could not be written.
    #[error("could not write the log file {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// The result of writing a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// How many bytes of output are not in the file, because it was over its limit.
    pub(crate) left_out: u64,
    /// The bytes of the file.
    pub(crate) length: u64,
}

/// One stream on its way into the file.
struct Channel<F> {
    filter: F,
    lines: Lines,
}

/// Clean output of one stream, cut into records.
struct Lines {
    stream: Stream,
    /// The beginning of a line whose end has not come; shorter than [`MAX_RECORD`].
    pending: Vec<u8>,
}

/// A step log being written.
///
/// Records reach the file in whole writes, so that a kill leaves at most one torn line, at the end. What lies
/// beyond the head of a log that grew over its limit is in memory until the end: `kill -9` of the writing process
/// loses that, at most [`MAX_TAIL`](super::MAX_TAIL) bytes, and the begin of an unfinished line younger than
/// the last silence. Dropping the writer finishes the log as well as that goes.
pub struct LogWriter<F: Filter> {
    path: PathBuf,
    file: LimitedFile,
    stdout: Channel<F>,
    stderr: Channel<F>,
    finished: bool,
}

impl<F: Filter> LogWriter<F> {
    /// Creates the log, which must not exist. `filter` makes a filter for each stream.
    ///
    /// # Errors
    /// The file exists, a parent is not a folder, or the disk is full.
    pub fn create(
        sink: &dyn LogSink,
        path: &Path,
        limit: LogLimit,
        filter: impl Fn() -> F,
    ) -> Result<Self, LogError> {
        let file = sink.create(path).map_err(|source| LogError::Create { path: path.to_owned(), source })?;
        let channel = |stream| Channel { filter: filter(), lines: Lines { stream, pending: Vec::new() } };
        Ok(Self {
            path: path.to_owned(),
            file: LimitedFile::new(file, limit),
            stdout: channel(Stream::Stdout),
            stderr: channel(Stream::Stderr),
            finished: false,
        })
    }

    /// The bytes that are in the file: whole records.
    pub(crate) fn length(&self) -> u64 {
        self.file.length()
    }

    /// Writes a remark of quire.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn note(&mut self, text: &RedactedText) -> Result<(), LogError> {
        let time = clock::now().to_string();
        let mut pieces = text.split('\n').peekable();
        while let Some(piece) = pieces.next() {
            if !(piece.is_empty() && pieces.peek().is_none()) {
                let piece = piece.as_bytes();
                let piece = piece.get(..MAX_RECORD).unwrap_or(piece);
                self.file.push(&time, Stream::Quire, (piece, true));
            }
        }
        self.flush()
    }

    /// Writes the rest and closes the file. A crash of the machine may still lose it.
    ///
    /// # Errors
    /// The disk is full.
    pub fn finish(mut self) -> Result<LogEnd, LogError> {
        self.close()
    }

    fn close(&mut self) -> Result<LogEnd, LogError> {
        self.finished = true;
        let time = clock::now().to_string();
        for channel in [&mut self.stdout, &mut self.stderr] {
            let rest = channel.filter.finish();
            channel.lines.append(&mut self.file, &time, &rest);
            channel.lines.release(&mut self.file, &time);
        }
        let left_out = self.file.finish(&time).map_err(|source| self.failed(source))?;
        Ok(LogEnd { left_out, length: self.file.length() })
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.file.flush().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> LogError {
        LogError::Write { path: self.path.clone(), source }
    }
}

impl<F: Filter> Sink for LogWriter<F> {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), LogError> {
        let channel = match stream {
            // A remark of quire is a note, and is not redacted.
            Stream::Stdout | Stream::Quire => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let time = clock::now().to_string();
        channel.filter.push(bytes, &mut |clean| channel.lines.append(&mut self.file, &time, clean));
        self.flush()
    }

    fn cut_value(&self, kept: &KeptOutput) -> usize {
        self.stdout.filter.cut_value(kept)
    }

    fn quiet(&mut self) -> Result<(), LogError> {
        let time = clock::now().to_string();
        for channel in [&mut self.stdout, &mut self.stderr] {
            let clean = channel.filter.quiet();
            channel.lines.append(&mut self.file, &time, &clean);
            channel.lines.release(&mut self.file, &time);
        }
        self.flush()
    }
}

impl<F: Filter> Drop for LogWriter<F> {
    fn drop(&mut self) {
        if !self.finished {
            // No caller is left to report an error to.
            let _lost = self.close();
        }
    }
}

impl Lines {
    /// Turns clean output into records, and keeps the beginning of an unfinished line.
    fn append(&mut self, file: &mut LimitedFile, time: &str, clean: &[u8]) {
        for piece in clean.split_inclusive(|byte| *byte == b'\n') {
            let (mut text, ends_line) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            if self.pending.is_empty() && ends_line && text.len() < MAX_RECORD {
                file.push(time, self.stream, (text, true));
                continue;
            }
            while let Some((now, later)) = text.split_at_checked(MAX_RECORD - self.pending.len()) {
                self.pending.extend_from_slice(now);
                text = later;
                if text.is_empty() && ends_line {
                    break;
                }
                self.release(file, time);
            }
            self.pending.extend_from_slice(text);
            if ends_line {
                file.push(time, self.stream, (&self.pending, true));
                self.pending.clear();
            }
        }
    }

    /// Writes the beginning of an unfinished line, if any.
    fn release(&mut self, file: &mut LimitedFile, time: &str) {
        if !self.pending.is_empty() {
            file.push(time, self.stream, (&self.pending, false));
            self.pending.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LogReader, read_text};
    use crate::sys::folder::Folder;

    const LARGE: u64 = 64 << 20;

    fn create(folder: &tempfile::TempDir, limit: u64) -> Result<LogWriter<PassThrough>, LogError> {
        let folder = Folder::open(folder.path()).unwrap();
        LogWriter::create(&folder, Path::new("build/1.log"), LogLimit::new(limit), || PassThrough)
    }

    fn with_writer(
        limit: u64,
        write: impl FnOnce(&mut LogWriter<PassThrough>),
    ) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build/1.log");
        let mut writer = create(&folder, limit).unwrap();
        write(&mut writer);
        writer.finish().unwrap();
        (folder, path)
    }

    fn shape(path: &Path) -> Vec<(Stream, bool, usize)> {
        let entries = LogReader::open(path).unwrap().map(|entry| entry.unwrap().record.unwrap());
        entries.map(|record| (record.stream, record.ends_line, record.bytes.len())).collect()
    }

    #[test]
    fn bytes_round_trip_for_any_chunk_size() {
        let output: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(n) >> 5) as u8).collect();
        for size in [1, 7, 4096, 100_000] {
            let (_folder, path) = with_writer(LARGE, |writer| {
                for chunk in output.chunks(size) {
                    writer.write(Stream::Stdout, chunk).unwrap();
                    writer.write(Stream::Stderr, chunk).unwrap();
                }
            });
            let text = read_text(&path).unwrap();
            assert!(text.stdout == output && text.stderr == output, "chunks of {size}");
        }
    }

    #[test]
    fn a_line_is_split_only_above_the_limit_of_a_record() {
        let (_folder, path) = with_writer(LARGE, |writer| {
            for length in [MAX_RECORD, MAX_RECORD + 1] {
                let line = [vec![b'x'; length], b"\n".to_vec()].concat();
                writer.write(Stream::Stdout, &line).unwrap();
            }
            writer.write(Stream::Stdout, &vec![b'y'; MAX_RECORD]).unwrap();
        });
        let (out, full) = (Stream::Stdout, MAX_RECORD);
        assert_eq!(shape(&path), [(out, true, full), (out, false, full), (out, true, 1), (out, false, full)]);
    }

    #[test]
    fn a_prompt_is_visible_after_a_silence_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build/1.log");
        let mut writer = create(&folder, LARGE).unwrap();
        writer.write(Stream::Stdout, b"name? ").unwrap();
        assert_eq!(shape(&path), []);
        writer.quiet().unwrap();
        writer.quiet().unwrap();
        assert_eq!(shape(&path), [(Stream::Stdout, false, 6)]);
        writer.write(Stream::Stdout, b"x\n").unwrap();
        writer.finish().unwrap();
        assert_eq!(shape(&path), [(Stream::Stdout, false, 6), (Stream::Stdout, true, 1)]);
    }

    #[test]
    fn output_cannot_imitate_remarks_of_quire() {
        let forged = b"2026-11-20T23:59:59.007Z quire F [9 bytes of output left out]\n";
        let (_folder, path) = with_writer(LARGE, |writer| writer.write(Stream::Stdout, forged).unwrap());
        assert_eq!(read_text(&path).unwrap().stdout, forged);
        assert_eq!(read_text(&path).unwrap().notes, b"");
    }

    #[test]
    fn an_endless_line_stays_within_the_limit_and_is_counted() {
        let total = 8 << 20;
        let (_folder, path) = with_writer(1 << 20, |writer| {
            for _ in 0..total / 65_536 {
                writer.write(Stream::Stdout, &[b'z'; 65_536]).unwrap();
                assert!(writer.stdout.lines.pending.len() < MAX_RECORD);
            }
        });
        assert!(std::fs::metadata(&path).unwrap().len() < (1 << 20) + 100);
        let text = read_text(&path).unwrap();
        let left_out = total - text.stdout.len();
        assert_eq!(text.notes, format!("[{left_out} bytes of output left out]\n").into_bytes());
    }

    #[test]
    fn a_dropped_writer_keeps_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build/1.log");
        let mut writer = create(&folder, LARGE).unwrap();
        writer.note(&"two\nlines".into()).unwrap();
        writer.write(Stream::Stderr, b"unfinished").unwrap();
        drop(writer);
        let text = read_text(&path).unwrap();
        assert_eq!((text.stderr, text.notes), (b"unfinished".to_vec(), b"two\nlines\n".to_vec()));
        assert!(create(&folder, LARGE).is_err());
    }
}
