//! The door of a server that listens nowhere: a command that has something to ask makes a socket in a folder of the data folder,
//! and the server connects to it. Who may do that is who may write into the folder.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::net::UnixStream;

use crate::sys::inotify::{Change, Inotify};
use crate::sys::socket::{self, CALL};

/// How many commands may wait for the server; those that come then find no server.
const MAX_WAITING: usize = 256;

/// The sockets of commands that wait for the server.
#[derive(Debug)]
pub(crate) struct Calls {
    folder: PathBuf,
    inotify: Inotify,
    waiting: Mutex<VecDeque<PathBuf>>,
}

impl Calls {
    /// Watches a folder, and finds who waits there already.
    ///
    /// # Errors
    /// The folder cannot be read or watched.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let inotify = Inotify::new()?;
        inotify.watch_place(folder)?;
        let calls = Self { folder: folder.to_owned(), inotify, waiting: Mutex::default() };
        calls.list()?;
        Ok(calls)
    }

    /// Waits for a command and connects to it.
    ///
    /// # Errors
    /// The folder cannot be watched any more.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            if !self.folder.is_dir() {
                self.make_again()?;
            }
            while let Some(path) = self.next() {
                // One that nobody waits at is what a killed command has left.
                match socket::connect(&path) {
                    Ok(stream) => {
                        stream.set_nonblocking(true)?;
                        return UnixStream::from_std(stream);
                    }
                    Err(_) => drop(fs::remove_file(&path)),
                }
            }
            for change in self.inotify.changes().await? {
                match change {
                    Change::In(_, entry) => {
                        self.note(self.folder.join(std::ffi::OsStr::from_bytes(&entry.name)));
                    }
                    Change::Overflow => self.list()?,
                    Change::Gone(watch) => self.inotify.forget(watch),
                }
            }
        }
    }

    /// Makes the folder that somebody has moved away or removed.
    fn make_again(&self) -> io::Result<()> {
        tracing::warn!(folder = %self.folder.display(), "the folder for commands was gone and is made again");
        fs::DirBuilder::new().mode(0o700).create(&self.folder)?;
        self.inotify.watch_place(&self.folder)?;
        self.list()
    }

    fn list(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            self.note(entry?.path());
        }
        Ok(())
    }

    fn note(&self, path: PathBuf) {
        let is_call = path.as_os_str().as_bytes().ends_with(CALL.as_bytes())
            && path.symlink_metadata().is_ok_and(|there| there.file_type().is_socket());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if is_call && waiting.len() < MAX_WAITING {
            waiting.push_back(path);
        }
    }

    fn next(&self) -> Option<PathBuf> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
