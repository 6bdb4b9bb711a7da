//! Cancelling blocking work: a pipe whose reading end becomes ready when the other end is dropped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Held by whoever needs the work. When it is dropped, everything that waits on its [`CancelSignal`] is cancelled.
#[derive(Debug)]
pub(crate) struct CancelHandle(Option<OwnedFd>);

impl CancelHandle {
    /// Cancels, as dropping does.
    pub(crate) fn cancel(&mut self) {
        self.0 = None;
    }
}

/// The other end of a [`CancelHandle`]: ready for reading when the work is cancelled.
#[derive(Debug)]
pub(crate) struct CancelSignal(OwnedFd);

impl AsFd for CancelSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A handle and its signal.
///
/// # Errors
/// The system has no descriptors left.
pub(crate) fn cancel_pair() -> io::Result<(CancelHandle, CancelSignal)> {
    let (reader, writer) = io::pipe()?;
    Ok((CancelHandle(Some(writer.into())), CancelSignal(reader.into())))
}
