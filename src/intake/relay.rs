//! Passes the server's report on to the pusher: never waits for one who does not read, and reads the server only as fast as the
//! pusher reads, unless the connection is too slow for that.

use std::io::{ErrorKind, Read as _, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::frame::END_OF_REPORT;
use super::relay_queue::RelayQueue;
use crate::sys::http_client::Answer;
use crate::sys::ready::{Ready, wait_for_either};

/// How long the pusher's side may take nothing before the hook ends.
const STALL: Duration = Duration::from_secs(10);

/// How long the queue may be full before the connection counts as too slow, and the oldest output is dropped.
const LAG: Duration = Duration::from_secs(2);

/// How long the server may be silent while it reports on a run; it sends something every ten seconds.
const REPORT_PATIENCE: Duration = Duration::from_secs(30);

/// The longest line that is passed on whole; a longer one comes in pieces.
const MAX_LINE: usize = 64 << 10;

/// What one read takes.
const CHUNK: usize = 16 << 10;

/// What one write gives: a pipe that is ready takes as much without waiting (pipe(7): PIPE_BUF).
const PIECE: usize = 4096;

/// How the server's report ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Relayed {
    /// With its last byte.
    Whole,
    /// The server was killed, or is silent.
    Cut,
    /// Nobody reads what the hook writes.
    Unread,
}

/// How long a pusher's side is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    stall: Duration,
    lag: Duration,
}

/// The way to a pusher.
pub(super) struct Relay<W> {
    output: W,
    patience: Patience,
    queue: RelayQueue,
    /// The line that has begun.
    line: Vec<u8>,
    /// The numbers of the runs that were reported on.
    runs: Vec<u64>,
    /// The last time that something was written, or began to wait.
    progress: Instant,
    /// Since when the queue is full.
    full_since: Option<Instant>,
    /// Whether the connection is too slow for all output.
    is_slow: bool,
}

impl<W: Write + AsFd> Relay<W> {
    pub(super) fn new(output: W) -> Self {
        Self {
            output,
            patience: Patience { stall: STALL, lag: LAG },
            queue: RelayQueue::default(),
            line: Vec::new(),
            runs: Vec::new(),
            progress: Instant::now(),
            full_since: None,
            is_slow: false,
        }
    }

    /// The numbers of the runs that the report has named.
    pub(super) fn runs(&self) -> &[u64] {
        &self.runs
    }

    /// Writes a text of quire's own; false when nobody reads it.
    pub(super) fn say(&mut self, text: &str) -> bool {
        for line in text.split_inclusive('\n') {
            self.queue.push(line.as_bytes().to_vec());
        }
        self.progress = Instant::now();
        while !self.queue.is_empty() {
            let deadline = self.progress + self.patience.stall;
            let wait = wait_for_either(None::<&W>, (&self.output, true), deadline);
            if !self.write_if(wait) {
                return false;
            }
        }
        true
    }

    /// Passes the whole report on.
    pub(super) fn pass_on(&mut self, answer: Answer) -> Relayed {
        let Ok((first, mut server)) = answer.into_stream() else { return Relayed::Cut };
        let mut ended = self.take(&first).then_some(Relayed::Whole);
        let mut heard = Instant::now();
        let mut chunk = vec![0; CHUNK];
        loop {
            self.make_room();
            let (reads, writes) = (ended.is_none() && !self.queue.is_full(), !self.queue.is_empty());
            if !writes && let Some(ended) = ended {
                return ended;
            }
            if !reads {
                // A server that is not listened to is not silent.
                heard = Instant::now();
            }
            if !writes {
                self.progress = Instant::now();
            }
            let deadline = [
                reads.then(|| heard + REPORT_PATIENCE),
                writes.then(|| self.progress + self.patience.stall),
                self.full_since.filter(|_| ended.is_none()).map(|since| since + self.patience.lag),
            ];
            let deadline = deadline.into_iter().flatten().min().unwrap_or(heard + REPORT_PATIENCE);
            let wait = wait_for_either(reads.then_some(&server), (&self.output, writes), deadline);
            if !self.write_if(wait) {
                return Relayed::Unread;
            }
            if reads && !wait.reads && Instant::now() >= heard + REPORT_PATIENCE {
                ended = Some(Relayed::Cut);
            }
            if wait.reads {
                heard = Instant::now();
                match server.read(&mut chunk) {
                    Ok(0) => ended = Some(Relayed::Cut),
                    Ok(count) => {
                        let is_over = self.take(chunk.get(..count).unwrap_or_default());
                        ended = is_over.then_some(Relayed::Whole);
                    }
                    Err(error) if is_for_now(&error) => {}
                    Err(_) => ended = Some(Relayed::Cut),
                }
            }
        }
    }

    /// Writes what the pusher's side takes; false when it takes nothing for too long, or is closed.
    fn write_if(&mut self, wait: Ready) -> bool {
        if wait.writes {
            let next = self.queue.next();
            match self.output.write(next.get(..PIECE).unwrap_or(next)) {
                Ok(0) => return false,
                Ok(count) => {
                    self.queue.advance(count);
                    self.progress = Instant::now();
                }
                Err(error) if is_for_now(&error) => {}
                Err(_) => return false,
            }
        }
        !wait.is_closed && (self.queue.is_empty() || Instant::now() < self.progress + self.patience.stall)
    }

    /// Drops the oldest output when the connection is too slow for all of it.
    fn make_room(&mut self) {
        if self.queue.is_empty() {
            self.is_slow = false;
        }
        if !self.queue.is_full() {
            self.full_since = None;
            return;
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        self.is_slow |= Instant::now() >= since + self.patience.lag;
        if self.is_slow && self.queue.drop_output() {
            self.full_since = None;
        }
    }

    /// Takes what the server has sent; true after the last byte of a report.
    fn take(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match *byte {
                // By itself it only shows that the server is alive.
                0 => {}
                END_OF_REPORT => return true,
                b'\r' => self.queue.push_ticker(std::mem::take(&mut self.line)),
                byte => {
                    self.line.push(byte);
                    if byte == b'\n' || self.line.len() >= MAX_LINE {
                        self.runs.extend(run_number(&self.line));
                        self.queue.push(std::mem::take(&mut self.line));
                    }
                }
            }
        }
        false
    }
}

/// Whether an error says nothing about the next try.
fn is_for_now(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The number of the run that a line of the report is about.
fn run_number(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"quire: run ")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufReader, Read, pipe};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::sys::ready::unbuffered;

    /// What a server sends, of which it counts how much was taken.
    fn report(text: Vec<u8>) -> (Answer, thread::JoinHandle<bool>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let sent = thread::spawn(move || theirs.write_all(&text).is_ok());
        (Answer { status: 200, body: BufReader::new(ours) }, sent)
    }

    fn relay(output: File, stall_ms: u64, lag_ms: u64) -> Relay<File> {
        let patience =
            Patience { stall: Duration::from_millis(stall_ms), lag: Duration::from_millis(lag_ms) };
        Relay { patience, ..Relay::new(output) }
    }

    /// A report with this many lines of output.
    fn flood(lines: usize) -> Vec<u8> {
        let mut text = b"quire: run 41, main at 9f31c2a\n".to_vec();
        for number in 0..lines {
            text.extend(format!("test \u{2502} line {number} {}\n", "x".repeat(80)).bytes());
        }
        text.extend(b"error: run 41 failed, 1 of 6 jobs, 1 m 45 s\n");
        text
    }

    #[test]
    fn a_report_is_passed_on_whole_to_who_reads() {
        let (mut reader, writer) = pipe().unwrap();
        let mut sent = flood(50_000);
        let expected = sent.len();
        sent.splice(31..31, [0, 0]);
        sent.push(END_OF_REPORT);
        let (answer, _server) = report(sent);
        let read = thread::spawn(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).map(|_| text)
        });
        let mut relay = relay(unbuffered(&writer).unwrap(), 60_000, 60_000);
        drop(writer);
        assert_eq!(relay.pass_on(answer), Relayed::Whole);
        assert_eq!(relay.runs(), [41]);
        drop(relay);
        let text = read.join().unwrap().unwrap();
        assert!(text.len() == expected && text == flood(50_000));
    }

    #[test]
    fn who_reads_too_slowly_misses_output_and_never_the_verdict() {
        let (mut reader, writer) = pipe().unwrap();
        let (answer, server) = report([flood(100_000), vec![END_OF_REPORT]].concat());
        let (begin, may_read) = mpsc::channel();
        let read = thread::spawn(move || {
            may_read.recv().unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        let all_sent = thread::spawn(move || (server.join().unwrap(), begin.send(()).is_ok()));
        let mut relay = relay(unbuffered(&writer).unwrap(), 60_000, 0);
        drop(writer);
        assert_eq!(relay.pass_on(answer), Relayed::Whole);
        drop(relay);
        assert_eq!(all_sent.join().unwrap(), (true, true));
        let text = read.join().unwrap().unwrap();
        let shown = text.lines().filter(|line| line.contains('\u{2502}')).count();
        let skipped = |line: &str| {
            let count = line.strip_prefix("\u{2026} ")?.split_once(" lines skipped; connection too slow")?.0;
            count.replace(' ', "").parse::<usize>().ok()
        };
        let skipped: usize = text.lines().filter_map(skipped).sum();
        assert!(shown + skipped == 100_000 && text.len() < 1 << 20, "{shown} {skipped}");
        assert!(text.ends_with("error: run 41 failed, 1 of 6 jobs, 1 m 45 s\n"));
    }

    #[test]
    fn who_reads_nothing_is_left_and_so_is_who_is_gone() {
        let (reader, writer) = pipe().unwrap();
        let (answer, _server) = report([flood(100_000), vec![END_OF_REPORT]].concat());
        let mut stalled = relay(unbuffered(&writer).unwrap(), 50, 10);
        assert_eq!(stalled.pass_on(answer), Relayed::Unread);
        assert!(!stalled.say("warning: x\n"));
        let (answer, _server) = report(Vec::new());
        let mut gone = relay(unbuffered(&writer).unwrap(), 60_000, 10);
        drop(reader);
        assert_eq!(gone.pass_on(answer), Relayed::Unread, "at once, also while there is nothing to write");
    }

    #[test]
    fn a_server_that_is_gone_is_noticed() {
        let (mut reader, writer) = pipe().unwrap();
        let (answer, _server) = report(b"quire: run 7, main at 9f31c2a\nquire: run 8 queued\nhalf".to_vec());
        let mut relay = relay(unbuffered(&writer).unwrap(), 60_000, 10);
        assert_eq!(relay.pass_on(answer), Relayed::Cut);
        assert_eq!(relay.runs(), [7, 8]);
        assert!(relay.say("warning: lost\n"));
        drop((relay, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "quire: run 7, main at 9f31c2a\nquire: run 8 queued\nwarning: lost\n");
    }
}
