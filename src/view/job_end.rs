//! The last lines of a job with their numbers in its log, read from the ends of the files.

use std::io::{self, BufReader, Read as _};
use std::path::Path;

use super::log_end::{EndLimit, read_log_end};
use super::log_names::logs_in;
use crate::sys::folder::Folder;

/// The most bytes of logs in which lines are counted; of longer ones the numbers are not known.
const MAX_COUNTED: u64 = 64 << 20;

/// The most bytes that are read from the ends of the files.
const MAX_READ: u64 = 256 << 10;

/// How many more lines of the job are read, of which those of the step are taken.
const MORE: usize = 20;

/// The last lines of a job, or of one of its steps.
#[derive(Debug, Default)]
pub(crate) struct JobEnd {
    /// Lines with their numbers, as the pages of logs count them.
    pub(crate) lines: Vec<(Option<u64>, Vec<u8>)>,
}

/// Reads the last lines of a job; of one step when it has written some of the last. What cannot be read is left out. Blocks.
pub(crate) fn read_job_end(run_dir: &Path, job: &str, (step, most): (Option<u32>, usize)) -> JobEnd {
    let limit = EndLimit { bytes: MAX_READ, lines: most * MORE };
    let end = read_log_end(run_dir, Some(job), limit);
    let total = count_lines(run_dir, job).ok().flatten();
    let first = total.and_then(|total| total.checked_sub(end.lines.len() as u64));
    let numbered = end
        .lines
        .into_iter()
        .enumerate()
        .map(|(place, line)| (line.step, (first.map(|first| first + place as u64 + 1), line.bytes)));
    let all: Vec<_> = numbered.collect();
    let is_of_step = |of: u32| step.is_none_or(|step| step == of || of == 0);
    let has_own = all.iter().any(|(of, _)| Some(*of) == step);
    let mut lines: Vec<_> =
        all.into_iter().filter(|(of, _)| !has_own || is_of_step(*of)).map(|(_, line)| line).collect();
    lines.drain(..lines.len().saturating_sub(most));
    JobEnd { lines }
}

/// How many lines the logs of a job have together; nothing when they are too long to be counted.
fn count_lines(run_dir: &Path, job: &str) -> io::Result<Option<u64>> {
    let run = Folder::open_no_link(run_dir)?;
    let (mut left, mut count) = (MAX_COUNTED, 0);
    for name in logs_in(&run, Some(job))? {
        let file = run.open_file(name.path())?;
        let Some(rest) = left.checked_sub(file.metadata()?.len()) else { return Ok(None) };
        left = rest;
        let mut counter = Counter::default();
        let mut reader = BufReader::with_capacity(64 << 10, file);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => break,
                read => counter.push(buffer.get(..read).unwrap_or_default()),
            }
        }
        count += counter.lines();
    }
    Ok(Some(count))
}

/// Counts the lines of a log without reading what they say: `TIME STREAM F|P …`.
#[derive(Debug, Default)]
struct Counter {
    /// How many spaces of the present record were seen, up to two.
    spaces: u8,
    /// The first letter of the stream of the present record.
    stream: u8,
    is_known: bool,
    ended: u64,
    /// The streams with a line that has begun.
    open: Vec<u8>,
}

impl Counter {
    fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if self.is_known {
                // To the end of the record.
                if byte != b'\n' {
                    let end = rest.iter().position(|byte| *byte == b'\n');
                    rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
                    if end.is_none() {
                        return;
                    }
                }
                (self.spaces, self.stream, self.is_known) = (0, 0, false);
                continue;
            }
            match (byte, self.spaces) {
                (b'\n', _) => (self.spaces, self.stream) = (0, 0),
                (b' ', _) => self.spaces += 1,
                (_, 1) if self.stream == 0 || self.stream == b's' => {
                    // `stdout` and `stderr` differ in their fourth letter; `quire` in its first.
                    self.stream = if matches!(byte, b'q' | b'o' | b'e' | b's') { byte } else { self.stream };
                }
                (b'F', 2) => {
                    self.ended += 1;
                    self.open.retain(|stream| *stream != self.stream);
                    self.is_known = true;
                }
                (b'P', 2) => {
                    if !self.open.contains(&self.stream) {
                        self.open.push(self.stream);
                    }
                    self.is_known = true;
                }
                _ => {}
            }
        }
    }

    /// The lines so far, with those that have no end.
    fn lines(&self) -> u64 {
        self.ended + self.open.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::LogFollower;

    fn write(run_dir: &Path, name: &str, lines: &[&str]) {
        let path = run_dir.join("log").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text: String = lines
            .iter()
            .enumerate()
            .map(|(n, line)| format!("2026-11-20T23:00:{n:02}.000Z {line}\n"))
            .collect();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_last_lines_have_the_numbers_that_the_log_gives_them() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a/0.log", &["stdout F script"]);
        let two = [
            "stdout F F P one",
            "stderr P half",
            "stdout F out",
            "stderr F whole",
            "stdout F ",
            "stdout P open",
        ];
        write(folder.path(), "a/2.log", &two);
        let mut follower = LogFollower::new(folder.path(), Some("a".into()));
        let count = follower.finish().unwrap().len() as u64;
        assert_eq!((count_lines(folder.path(), "a").unwrap(), count), (Some(6), 6));
        let end = read_job_end(folder.path(), "a", (Some(2), 2));
        let lines: Vec<_> = end
            .lines
            .iter()
            .map(|(n, line)| (n.unwrap(), String::from_utf8_lossy(line).into_owned()))
            .collect();
        assert_eq!(lines, [(5, String::new()), (6, "open".to_owned())]);
    }
}
