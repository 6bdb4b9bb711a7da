//! Standard error as a file that is made when something is written to it first: most processes have nothing to say.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::folder::Folder;

/// The file; nothing when there is none, or it is made.
static FILE: Mutex<Option<(PathBuf, &'static str)>> = Mutex::new(None);

/// From now on standard error is a file in this folder. Until it is made, what does not ask for it writes nowhere.
pub(crate) fn send_to(folder: PathBuf, name: &'static str) {
    // Standard output of a runner goes nowhere.
    let _stays_as_it_is = rustix::stdio::dup2_stderr(io::stdout()).is_err();
    *FILE.lock().unwrap_or_else(PoisonError::into_inner) = Some((folder, name));
}

/// Makes the file, before something is written to standard error.
pub(crate) fn make() {
    let Some((folder, name)) = FILE.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    if let Ok(file) = Folder::open(&folder).and_then(|folder| folder.append(name, 0o666)) {
        let _goes_nowhere = rustix::stdio::dup2_stderr(file.as_fd()).is_err();
    }
}
