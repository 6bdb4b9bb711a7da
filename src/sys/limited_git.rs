//! A git that speaks to somebody else: it may take so long, write so much and say so much, and ends with its caller.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};

use super::children;
use super::git_command::GitCommand;
use super::pidfd::PidFd;

/// The most of its standard output that is kept, in bytes. A git that says more is killed.
const MAX_OUTPUT: usize = 64 << 10;

/// The most that it may say to its standard error, in bytes, before it is killed.
const MAX_CHATTER: usize = 1 << 20;

/// The most of its standard error that is kept, in bytes.
const KEPT_CHATTER: usize = 4 << 10;

/// What a git may use.
#[derive(Debug, Clone, Copy)]
pub struct GitLimits {
    /// From its start to its end.
    pub time: Duration,
    /// Bytes of any one file that it or its helpers write.
    pub file_bytes: u64,
    /// Whether it ends with the thread that starts it. One that does not starts more cheaply, and is for short work.
    pub ends_with_caller: bool,
}

/// How such a git ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitedEnd {
    /// It did its work, and this is its standard output.
    Done(Vec<u8>),
    /// It failed, and this is the beginning of its complaint.
    Failed(String),
    /// It was killed at the end of its time.
    TimedOut,
    /// It was killed because it, or who it spoke to, sent too much.
    TooMuch,
    /// It was killed because nobody wants its work any more.
    Stopped,
}

/// A sign that the work is wanted: when the one who has it drops it, every git that was told ends.
#[derive(Debug)]
pub struct Wanted(Option<OwnedFd>);

impl Wanted {
    /// Ends what was told, as dropping does.
    pub fn withdraw(&mut self) {
        self.0 = None;
    }
}

/// The other end of [`Wanted`].
#[derive(Debug)]
pub struct Unwanted(OwnedFd);

/// A sign and its other end.
///
/// # Errors
/// The system has no descriptors left.
pub fn wanted() -> io::Result<(Wanted, Unwanted)> {
    let (reader, writer) = io::pipe()?;
    Ok((Wanted(Some(writer.into())), Unwanted(reader.into())))
}

impl GitCommand {
    /// Runs it within limits and gives what became of it. Everything that it has started is killed when it ends.
    ///
    /// # Errors
    /// It could not be started or followed.
    pub fn run_limited(self, limits: GitLimits, unwanted: &Unwanted) -> io::Result<LimitedEnd> {
        let mut command = self.prepare();
        let (out, out_theirs) = io::pipe()?;
        let (err, err_theirs) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(out_theirs).stderr(err_theirs);
        if limits.ends_with_caller {
            tie(&mut command);
        }
        let (pid, process) = children::start(|| {
            let child = command.spawn()?;
            let pid =
                i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
            // A child cannot vanish before it is reaped, and only `reap_own` reaps it.
            let process = PidFd::open(pid)?.ok_or(io::ErrorKind::NotFound)?;
            Ok((pid, process))
        })?;
        // Before it has a helper, or anything to write. One that has ended already needs none.
        let most = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
        let _ended = prlimit(Some(pid), Resource::Fsize, most(limits.file_bytes)).is_err();
        // The writing ends that are still open here.
        drop(command);
        let mut streams = [Stream::new(out.into(), MAX_OUTPUT)?, Stream::new(err.into(), MAX_CHATTER)?];
        let cut = follow(&process, &mut streams, limits.time, unwanted);
        // The group while its leader is not reaped: the number is nobody else's.
        let _gone_already = kill_process_group(pid, Signal::KILL);
        let exit = loop {
            if let Some(exit) = children::reap_own(pid) {
                break exit;
            }
            super::pidfd::wait_any(&[&process], Duration::from_secs(1));
        };
        if let Some(cut) = cut? {
            return Ok(cut);
        }
        let [out, mut err] = streams;
        if exit.code() == 0 {
            return Ok(LimitedEnd::Done(out.bytes));
        }
        err.bytes.truncate(KEPT_CHATTER);
        let complaint = String::from_utf8_lossy(&err.bytes).trim().to_owned();
        // A helper of git's that the system has stopped is named in its complaint.
        let helper = format!("died of signal {}", Signal::XFSZ.as_raw());
        let is_size = exit.signal() == Some(Signal::XFSZ.as_raw())
            || complaint.contains(&helper)
            || complaint.contains("File too large");
        Ok(if is_size { LimitedEnd::TooMuch } else { LimitedEnd::Failed(complaint) })
    }
}

/// Has the process end with the thread that starts it.
#[expect(unsafe_code, reason = "the sign of a process is chosen between fork and exec")]
fn tie(command: &mut Command) {
    let enter = || Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: the closure makes one system call: it neither allocates nor takes a lock.
    unsafe { command.pre_exec(enter) };
}

/// One output of a process.
struct Stream {
    from: OwnedFd,
    bytes: Vec<u8>,
    limit: usize,
    is_open: bool,
}

impl Stream {
    fn new(from: OwnedFd, limit: usize) -> io::Result<Stream> {
        rustix::io::ioctl_fionbio(&from, true)?;
        Ok(Stream { from, bytes: Vec::new(), limit, is_open: true })
    }

    /// Takes what is there; false when it is more than may be.
    fn take(&mut self) -> bool {
        let mut chunk = [0; 4096];
        while self.is_open {
            match rustix::io::read(&self.from, &mut chunk) {
                Ok(0) => self.is_open = false,
                Ok(count) => {
                    if self.bytes.len() + count > self.limit {
                        return false;
                    }
                    self.bytes.extend(chunk.iter().take(count));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(_) => self.is_open = false,
            }
        }
        true
    }
}

/// Reads until the process has ended; what there is to say when it has to be killed instead.
fn follow(
    process: &PidFd,
    streams: &mut [Stream; 2],
    time: Duration,
    unwanted: &Unwanted,
) -> io::Result<Option<LimitedEnd>> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Some(LimitedEnd::TimedOut));
        }
        let [out, err] = &*streams;
        let mut fds = vec![PollFd::new(process, PollFlags::IN), PollFd::new(&unwanted.0, PollFlags::IN)];
        fds.extend([out, err].into_iter().filter(|s| s.is_open).map(|s| PollFd::new(&s.from, PollFlags::IN)));
        let limit = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = fds.iter().take(2).map(|fd| !fd.revents().is_empty()).collect();
        let [out, err] = streams;
        let (out_fits, err_fits) = (out.take(), err.take());
        let fits = out_fits && err_fits;
        match ready.as_slice() {
            _ if !fits => return Ok(Some(LimitedEnd::TooMuch)),
            [true, _] => return Ok(None),
            [_, true] => return Ok(Some(LimitedEnd::Stopped)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> GitCommand {
        GitCommand::new().program("sh").args(["-c", script])
    }

    fn run(script: &str, time: Duration) -> LimitedEnd {
        let (_wanted, unwanted) = wanted().unwrap();
        shell(script)
            .run_limited(GitLimits { time, file_bytes: 8192, ends_with_caller: true }, &unwanted)
            .unwrap()
    }

    #[test]
    fn what_hangs_floods_or_fills_the_disk_is_killed() {
        let long = Duration::from_secs(30);
        assert_eq!(run("echo x", long), LimitedEnd::Done(b"x\n".to_vec()));
        assert_eq!(run("echo why >&2; exit 3", long), LimitedEnd::Failed("why".to_owned()));
        assert_eq!(run("sleep 60", Duration::from_millis(30)), LimitedEnd::TimedOut);
        assert_eq!(run("while :; do echo much; done", long), LimitedEnd::TooMuch);
        assert_eq!(run("while :; do echo much >&2; done", long), LimitedEnd::TooMuch);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f").display().to_string();
        assert_eq!(
            run(&format!("sleep 0.1; exec head -c 9000 /dev/zero >{file}"), long),
            LimitedEnd::TooMuch
        );
        assert!(matches!(run(&format!("head -c 8192 /dev/zero >{file}"), long), LimitedEnd::Done(_)));
    }

    #[test]
    fn what_is_left_behind_or_not_wanted_any_more_ends_at_once() {
        let started = Instant::now();
        assert_eq!(run("sleep 60 & exit 0", Duration::from_secs(30)), LimitedEnd::Done(Vec::new()));
        let (wanted, unwanted) = wanted().unwrap();
        drop(wanted);
        let limits = GitLimits { time: Duration::from_secs(30), file_bytes: 8192, ends_with_caller: false };
        assert_eq!(shell("sleep 60").run_limited(limits, &unwanted).unwrap(), LimitedEnd::Stopped);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
