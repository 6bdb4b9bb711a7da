//! Reads the events of a run in their order, a bounded part at a time, also while the run continues. Blocking.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use super::body::{EventBody, EventLine};
use super::event::RunEvent;
use super::expand::{Expander, Item, LogKey, RunEnd};
use super::pieces::{LogPieces, MAX_TEXT, Piece};
use crate::journal::{EVALUATION_LOG, JournalReadError, JournalReader, LOG_FOLDER, SCRIPT_LOG};
use crate::log::LogReader;
use crate::model::{RunId, Timestamp};
use crate::store::RunRow;
use crate::sys::folder::Folder;

/// The most that one call reads of logs and makes of events, in bytes.
const MAX_BATCH: usize = 64 << 10;

/// The most lines in one event.
const MAX_LINES: usize = 1_000;

/// What a line, or an event, costs in addition to its text.
const COST: usize = 100;

/// Why events cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventsError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalReadError),
    /// A log cannot be read.
    #[error("could not read the log {path}")]
    Log {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// An event cannot be JSON.
    #[error("could not encode an event")]
    Encode(#[source] serde_json::Error),
}

/// The next events of a run.
#[derive(Debug, Default)]
pub(crate) struct EventBatch {
    /// The events, in their order.
    pub(crate) events: Vec<RunEvent>,
    /// Whether there are no more at the moment.
    pub(crate) is_drained: bool,
}

/// The events of one run, from some place in their sequence.
#[derive(Debug)]
pub(crate) struct RunEvents {
    run: RunId,
    run_dir: PathBuf,
    /// Only events behind this one are made.
    after: u64,
    /// The last one that was passed.
    seq: u64,
    journal: JournalReader,
    expander: Expander,
    items: VecDeque<Item>,
    logs: HashMap<LogKey, LogPlace>,
    /// The lines of the next event.
    lines: Option<Lines>,
    is_over: bool,
}

/// How far a log was read.
#[derive(Debug, Default)]
struct LogPlace {
    offset: u64,
    pieces: LogPieces,
}

/// Lines of one stream that belong into one event.
#[derive(Debug)]
struct Lines {
    body: EventBody,
    time: Timestamp,
    bytes: usize,
}

impl RunEvents {
    /// The events of a run behind this one; 0 for all.
    pub(crate) fn new(row: &RunRow, run_dir: &Path, after: u64) -> Self {
        Self {
            run: row.id,
            run_dir: run_dir.to_owned(),
            after,
            seq: 0,
            journal: JournalReader::new(run_dir),
            expander: Expander::default(),
            items: VecDeque::from([Item::Event(row.queued_at, EventBody::queued(row))]),
            logs: HashMap::new(),
            lines: None,
            is_over: false,
        }
    }

    /// The next events: what is there, up to a limit. The row of a run that has ended was read before this call: nothing is
    /// written to its journal any more.
    ///
    /// # Errors
    /// A file of the run cannot be read. The next call continues where this one stopped.
    pub(crate) fn read(&mut self, ended: Option<&RunRow>) -> Result<EventBatch, EventsError> {
        let mut batch = EventBatch::default();
        let mut left = MAX_BATCH;
        while left > 0 {
            match self.items.pop_front() {
                Some(Item::Event(at, body)) => self.pass(at, &body, (&mut batch, &mut left))?,
                Some(Item::Log { key, attempt, until, is_complete }) => {
                    let range = LogRange { key: &key, attempt, until };
                    let read = self.read_log(&range, (&mut batch, &mut left));
                    if matches!(read, Ok(true)) {
                        self.end_log(&range, is_complete, (&mut batch, &mut left))?;
                    } else {
                        self.items.push_front(Item::Log { key, attempt, until, is_complete });
                        read?;
                    }
                }
                None if self.read_journal(ended)? => {}
                None => {
                    batch.is_drained = true;
                    break;
                }
            }
        }
        Ok(batch)
    }

    /// Reads some records; whether there is something to do now.
    fn read_journal(&mut self, ended: Option<&RunRow>) -> Result<bool, EventsError> {
        for record in self.journal.read_some()? {
            self.expander.expand(record, &mut self.items);
        }
        if self.items.is_empty()
            && !self.is_over
            && let Some(end) = ended.and_then(RunEnd::of)
        {
            self.is_over = true;
            self.expander.finish(&end, &mut self.items);
        }
        Ok(!self.items.is_empty())
    }

    /// Passes an event, which is made when somebody asked for it.
    fn pass(&mut self, at: Timestamp, body: &EventBody, into: Output<'_>) -> Result<(), EventsError> {
        let (batch, left) = into;
        self.seq += 1;
        let mut cost = COST;
        if self.seq > self.after {
            let event = RunEvent::new(self.run, self.seq, at, body).map_err(EventsError::Encode)?;
            cost += event.sse().len();
            batch.events.push(event);
        }
        *left = left.saturating_sub(cost);
        Ok(())
    }
}

/// A part of a log that comes at one place of the sequence.
struct LogRange<'a> {
    key: &'a LogKey,
    attempt: u32,
    until: Option<u64>,
}

/// Where events go, and how much more may be read.
type Output<'a> = (&'a mut EventBatch, &'a mut usize);

impl RunEvents {
    /// Reads a part of a log; whether it has come to its end.
    fn read_log(&mut self, range: &LogRange<'_>, into: Output<'_>) -> Result<bool, EventsError> {
        let (batch, left) = into;
        let mut place = self.logs.remove(range.key).unwrap_or_default();
        let read = self.read_place(&mut place, range, (batch, left));
        self.logs.insert(range.key.clone(), place);
        read
    }

    fn read_place(
        &mut self,
        place: &mut LogPlace,
        range: &LogRange<'_>,
        (batch, left): Output<'_>,
    ) -> Result<bool, EventsError> {
        let Some((path, file)) = open(&self.run_dir, range.key)? else { return Ok(true) };
        let failed = |source| EventsError::Log { path: path.clone(), source };
        let mut pieces = Vec::new();
        for entry in LogReader::over(file, place.offset).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if range.until.is_some_and(|until| entry.end > until) {
                return Ok(true);
            }
            *left = left.saturating_sub(usize::try_from(entry.end - entry.offset).unwrap_or(usize::MAX));
            place.offset = entry.end;
            // What is no record was left by a killed writer.
            if let Ok(record) = entry.record {
                place.pieces.push(&record, &mut |piece| pieces.push(piece));
            }
            for piece in pieces.drain(..) {
                self.add(piece, range, (&mut *batch, &mut *left))?;
            }
            if *left == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ends a part of a log: what comes next is another event.
    fn end_log(
        &mut self,
        range: &LogRange<'_>,
        is_complete: bool,
        (batch, left): Output<'_>,
    ) -> Result<(), EventsError> {
        let mut pieces = Vec::new();
        if is_complete && let Some(place) = self.logs.get_mut(range.key) {
            place.pieces.finish(&mut |piece| pieces.push(piece));
        }
        for piece in pieces {
            self.add(piece, range, (&mut *batch, &mut *left))?;
        }
        self.pass_lines((batch, left))
    }

    /// Adds a piece to the lines of the next event, after that event when it has no room for it.
    fn add(
        &mut self,
        piece: Piece,
        range: &LogRange<'_>,
        (batch, left): Output<'_>,
    ) -> Result<(), EventsError> {
        let has_room = self.lines.as_ref().is_some_and(|lines| lines.has_room_for(&piece));
        if !has_room {
            self.pass_lines((batch, left))?;
        }
        let lines = self.lines.get_or_insert_with(|| Lines {
            body: EventBody::log(range.key.clone(), range.attempt, piece.stream),
            time: piece.time,
            bytes: 0,
        });
        lines.push(piece);
        Ok(())
    }

    fn pass_lines(&mut self, into: Output<'_>) -> Result<(), EventsError> {
        match self.lines.take() {
            Some(lines) => self.pass(lines.time, &lines.body, into),
            None => Ok(()),
        }
    }
}

impl Lines {
    fn has_room_for(&self, piece: &Piece) -> bool {
        let EventBody::Log { stream, lines, .. } = &self.body else { return false };
        *stream == piece.stream.as_str()
            && lines.len() < MAX_LINES
            && self.bytes + piece.text.len() <= MAX_TEXT
    }

    fn push(&mut self, piece: Piece) {
        let Piece { n, part, time, text, .. } = piece;
        (self.time, self.bytes) = (time, self.bytes + text.len());
        if let EventBody::Log { lines, .. } = &mut self.body {
            lines.push(EventLine { n, part, time, text });
        }
    }
}

/// Opens a log; nothing when there is none, or what is in its place is no log and will never be one.
fn open(run_dir: &Path, (job, step): &LogKey) -> Result<Option<(PathBuf, std::fs::File)>, EventsError> {
    let name = match (job, step) {
        (None, _) => EVALUATION_LOG.to_owned(),
        (Some(_), 0) => SCRIPT_LOG.to_owned(),
        (Some(_), step) => format!("{step}.log"),
    };
    let path = Path::new(LOG_FOLDER).join(job.as_deref().unwrap_or_default()).join(name);
    let opened = Folder::open_no_link(run_dir).and_then(|run| match (job, run.open_file(&path)) {
        // The name that it had in older runs.
        (None, Err(error)) if is_lasting(&error) => run.open_file(Path::new(LOG_FOLDER).join(SCRIPT_LOG)),
        (_, opened) => opened,
    });
    match opened {
        Ok(file) => Ok(Some((path, file))),
        Err(error) if is_lasting(&error) => Ok(None),
        Err(source) => Err(EventsError::Log { path, source }),
    }
}

fn is_lasting(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotADirectory, NotFound};
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    is_link || matches!(error.kind(), NotFound | NotADirectory | InvalidData)
}
