//! Waits until a descriptor takes bytes.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether the descriptor takes bytes within `patience`. False also when the other side is gone.
pub fn is_writable_within(descriptor: &impl AsFd, patience: Duration) -> bool {
    let mut polled = [PollFd::new(descriptor, PollFlags::OUT)];
    let limit =
        Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: patience.subsec_nanos().into() };
    let ready = poll(&mut polled, Some(&limit)).is_ok_and(|count| count > 0);
    let [polled] = polled;
    ready && !polled.revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_full_pipe_takes_nothing_and_one_without_a_reader_neither() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert!(is_writable_within(&writer, Duration::ZERO));
        while is_writable_within(&writer, Duration::ZERO) {
            writer.write_all(&[0; 4096]).unwrap();
        }
        drop(reader);
        assert!(!is_writable_within(&writer, Duration::from_secs(1)));
    }
}
