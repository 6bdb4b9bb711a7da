//! Whether a descriptor accepts bytes, and whether the other side is still open.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;

/// A file that writes to the same place without a buffer: to a pipe without waiting either, and nothing changes for others that
/// write to it.
///
/// # Errors
/// There is no descriptor left.
pub(crate) fn unbuffered(output: &impl AsFd) -> io::Result<File> {
    let kind = rustix::fs::fstat(output).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if kind == Ok(FileType::Fifo) {
        let path = format!("/proc/self/fd/{}", output.as_fd().as_raw_fd());
        let opened = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path);
        if let Ok(pipe) = opened {
            return Ok(pipe);
        }
    }
    Ok(output.as_fd().try_clone_to_owned()?.into())
}

/// What a descriptor to read from and one to write to are ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    /// There is something to read, or the end of it.
    pub(crate) reads: bool,
    /// Something can be written.
    pub(crate) writes: bool,
    /// Nobody reads any more what is written.
    pub(crate) is_closed: bool,
}

/// Waits until something can be read or, if `wants_write`, be written, or nobody reads what is written, or it is time.
pub(crate) fn wait_for_either(
    input: Option<&impl AsFd>,
    (output, wants_write): (&impl AsFd, bool),
    deadline: Instant,
) -> Ready {
    let left = deadline.saturating_duration_since(Instant::now());
    let limit = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
    let flags = if wants_write { PollFlags::OUT } else { PollFlags::empty() };
    let written = PollFd::new(output, flags);
    let mut polled: Vec<PollFd<'_>> =
        std::iter::once(written).chain(input.map(|input| PollFd::new(input, PollFlags::IN))).collect();
    // A signal ends the wait early, and the caller waits again.
    let has_any = poll(&mut polled, Some(&limit)).is_ok_and(|count| count > 0);
    let events =
        |place: usize| polled.get(place).filter(|_| has_any).map_or(PollFlags::empty(), PollFd::revents);
    Ready {
        reads: !events(1).is_empty(),
        writes: events(0).contains(PollFlags::OUT),
        is_closed: events(0).intersects(PollFlags::ERR | PollFlags::HUP),
    }
}

/// Whether the other side of a socket is closed: it neither sends nor reads. A side that has only stopped sending is open.
pub(crate) fn has_hung_up(socket: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(socket, PollFlags::empty())];
    let polls = poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    let [polled] = polled;
    polls.is_ok() && polled.revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_full_pipe_and_one_without_a_reader_accept_nothing() {
        let (reader, whole) = std::io::pipe().unwrap();
        let mut writer = unbuffered(&whole).unwrap();
        let ready =
            |writer: &File, time| wait_for_either(None::<&File>, (writer, true), Instant::now() + time);
        assert!(ready(&writer, Duration::ZERO).writes);
        while writer.write(&[0; 4096]).is_ok() {}
        assert!(!ready(&writer, Duration::ZERO).writes);
        let flags = rustix::fs::fcntl_getfl(&whole).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "others who write would not wait");
        drop(reader);
        assert!(ready(&writer, Duration::from_secs(1)).is_closed);
    }

    #[test]
    fn what_comes_first_ends_the_wait() {
        let (mut sender, reader) = std::os::unix::net::UnixStream::pair().unwrap();
        let (_kept, writer) = std::io::pipe().unwrap();
        let wait =
            |wants_write, time| wait_for_either(Some(&reader), (&writer, wants_write), Instant::now() + time);
        assert_eq!(wait(false, Duration::ZERO), Ready { reads: false, writes: false, is_closed: false });
        assert_eq!(
            wait(true, Duration::from_secs(9)),
            Ready { reads: false, writes: true, is_closed: false }
        );
        sender.write_all(b"x").unwrap();
        assert_eq!(
            wait(false, Duration::from_secs(9)),
            Ready { reads: true, writes: false, is_closed: false }
        );
    }

    #[test]
    fn a_side_that_stops_sending_is_open_until_it_closes() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(!has_hung_up(&ours));
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(!has_hung_up(&ours));
        drop(theirs);
        assert!(has_hung_up(&ours));
    }
}
