//! Reading what a step writes, into its log and for the script.

use std::future::{Future, pending};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::pipe::fcntl_setpipe_size;
use tokio::net::unix::pipe::Receiver;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::capture::Capture;
use crate::log::{LogError, Sink, Stream};
use crate::sys::kept_output::KeptOutput;

/// How long a step has to be silent before an unfinished line is written to its log.
pub const SILENCE: Duration = Duration::from_millis(100);

/// How long after output has come it is reported how far the log has grown: once for all that comes by then. A step that
/// ends sooner needs no report.
const REPORT_SOON: Duration = Duration::from_millis(10);

/// The least time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(30);

/// The same when it could not be reported.
const REPORT_AGAIN: Duration = Duration::from_secs(1);

/// How much is read at once, in bytes; a pipe holds as much.
const CHUNK: usize = 64 << 10;

/// The same for a step that fills its pipe: it waits less often, and so do we.
const WIDE_CHUNK: usize = 256 << 10;

/// How much the pipe of such a step holds, in bytes; what every account may ask for (pipe(7)).
const WIDE_PIPE: usize = 1 << 20;

/// The two outputs of a running step.
pub(super) struct Output<'a, S: ?Sized> {
    log: &'a mut S,
    stdout: Source,
    stderr: Source,
    chunk: Vec<u8>,
    /// When the silence is noted in the log, if it has not been.
    silent_at: Option<Instant>,
    /// When it is reported how far the log has grown.
    report_at: Option<Instant>,
    /// When the next report may be at the earliest.
    next_report: Instant,
}

struct Source {
    /// `None` when the output has ended.
    pipe: Option<Receiver>,
    is_wide: bool,
    capture: Capture,
}

impl<'a, S: Sink + ?Sized> Output<'a, S> {
    /// Takes the reading ends of two pipes.
    pub(super) fn new(log: &'a mut S, pipes: [OwnedFd; 2], capture_limit: usize) -> io::Result<Self> {
        let source = |pipe| {
            Ok::<_, io::Error>(Source {
                pipe: Some(pipe),
                is_wide: false,
                capture: Capture::new(capture_limit),
            })
        };
        let [stdout, stderr] = pipes.map(Receiver::from_owned_fd);
        let (stdout, stderr) = (source(stdout?)?, source(stderr?)?);
        let (chunk, next_report) = (vec![0; CHUNK], Instant::now());
        Ok(Output { log, stdout, stderr, chunk, silent_at: None, report_at: None, next_report })
    }

    /// Waits for output, or for its absence, and passes that on. Waits for ever once both outputs have ended.
    /// Nothing is lost when it is cancelled.
    pub(super) async fn pass_on(&mut self) -> Result<(), LogError> {
        tokio::select! {
            () = self.stdout.readable() => self.read(Stream::Stdout),
            () = self.stderr.readable() => self.read(Stream::Stderr),
            () = until(self.silent_at) => {
                self.silent_at = None;
                self.report_at = Some(Instant::now());
                self.log.quiet()
            }
            () = until(self.report_at) => {
                let now = Instant::now();
                self.next_report = now + REPORT_EVERY;
                self.report_at = (!self.log.report()).then(|| now + REPORT_AGAIN);
                Ok(())
            }
        }
    }

    /// Passes on what comes, and gives the result of `work` when that is ready.
    pub(super) async fn pass_on_while<T>(&mut self, work: impl Future<Output = T>) -> Result<T, LogError> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                passed = self.pass_on() => passed?,
            }
            // Output that never pauses is always ready: without this nothing else on the thread would be noticed, not
            // even the end of the step.
            yield_now().await;
        }
    }

    /// Passes on what comes until both outputs have ended, at most for `limit`.
    pub(super) async fn drain(&mut self, limit: Duration) -> Result<(), LogError> {
        let end = Instant::now() + limit;
        while self.stdout.pipe.is_some() || self.stderr.pipe.is_some() {
            tokio::select! {
                passed = self.pass_on() => passed?,
                () = sleep_until(end) => break,
            }
            yield_now().await;
        }
        Ok(())
    }

    /// Gives out what was kept for the script: standard output, standard error, and whether there was more.
    pub(super) fn captured(self) -> (KeptOutput, KeptOutput, bool) {
        let [stdout, stderr] = [self.stdout, self.stderr].map(|source| source.capture.take());
        let whole = |(mut kept, is_cut): (KeptOutput, bool)| {
            if is_cut {
                let cut = self.log.cut_value(&kept);
                kept.shorten_by(cut);
            }
            kept
        };
        let is_cut = stdout.1 || stderr.1;
        (whole(stdout), whole(stderr), is_cut)
    }

    fn read(&mut self, stream: Stream) -> Result<(), LogError> {
        let source = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        let Some(pipe) = &source.pipe else { return Ok(()) };
        match pipe.try_read(&mut self.chunk) {
            Ok(0) => source.pipe = None,
            Ok(count) => {
                let bytes = self.chunk.get(..count).unwrap_or_default();
                source.capture.push(bytes);
                self.log.write(stream, bytes)?;
                let now = Instant::now();
                self.silent_at = Some(now + SILENCE);
                self.report_at.get_or_insert(self.next_report.max(now + REPORT_SOON));
                if count == CHUNK && !source.is_wide {
                    source.is_wide = true;
                    let _holds_less = fcntl_setpipe_size(pipe, WIDE_PIPE).is_err();
                    self.chunk.resize(WIDE_CHUNK, 0);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A pipe that cannot be read has no more to say.
            Err(_) => source.pipe = None,
        }
        Ok(())
    }
}

impl Source {
    async fn readable(&self) {
        match &self.pipe {
            // An error shows again when reading.
            Some(pipe) => drop(pipe.readable().await),
            None => pending().await,
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
