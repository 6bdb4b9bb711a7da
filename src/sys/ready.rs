//! Whether a descriptor accepts bytes, and whether the other side is still open.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether the descriptor accepts bytes within `patience`. False also when the other side is closed.
pub(crate) fn is_writable_within(descriptor: &impl AsFd, patience: Duration) -> bool {
    let mut polled = [PollFd::new(descriptor, PollFlags::OUT)];
    let limit =
        Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: patience.subsec_nanos().into() };
    let ready = poll(&mut polled, Some(&limit)).is_ok_and(|count| count > 0);
    let [polled] = polled;
    ready && !polled.revents().intersects(PollFlags::ERR | PollFlags::HUP)
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

    use super::*;

    #[test]
    fn a_full_pipe_and_one_without_a_reader_accept_nothing() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert!(is_writable_within(&writer, Duration::ZERO));
        while is_writable_within(&writer, Duration::ZERO) {
            writer.write_all(&[0; 4096]).unwrap();
        }
        drop(reader);
        assert!(!is_writable_within(&writer, Duration::from_secs(1)));
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
