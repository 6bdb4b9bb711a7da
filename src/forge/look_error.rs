//! Why refs and their logs could not be observed.

use std::io;
use std::path::PathBuf;

use crate::model::RefName;

/// Why a ref or its log could not be observed.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// A file or folder could not be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file of a ref contains neither an object id nor the name of a ref.
    #[error("the file of `{name}` contains neither an object id nor the name of a ref")]
    BrokenRef {
        /// The ref.
        name: RefName,
    },
    /// Symbolic refs form a cycle or a chain that is too long.
    #[error("`{name}` is a symbolic ref that leads to no ref")]
    SymbolicLoop {
        /// The requested ref.
        name: RefName,
    },
    /// The log is larger than the limit.
    #[error("the log of `{name}` has {size} unread bytes, more than {limit}")]
    LogTooLarge {
        /// The ref.
        name: RefName,
        /// The bytes that have to be read.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The ref moved during each observation.
    #[error("`{name}` changed during each of {tries} attempts to read it")]
    Busy {
        /// The ref.
        name: RefName,
        /// The number of attempts.
        tries: u32,
    },
}
