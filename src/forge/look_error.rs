//! Why refs and their logs could not be looked at.

use std::io;
use std::path::PathBuf;

use crate::model::RefName;

/// Why a ref or its log could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// A file or folder could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file of a ref holds neither an id nor the name of a ref.
    #[error("the file of {name} holds neither an object id nor the name of a ref")]
    BrokenRef {
        /// The ref.
        name: RefName,
    },
    /// Symbolic refs lead in a circle, or through too many others.
    #[error("{name} is symbolic and leads to no ref")]
    SymbolicLoop {
        /// The ref that was asked for.
        name: RefName,
    },
    /// The log is larger than quire reads.
    #[error("the log of {name} has {size} bytes to read, more than {limit}")]
    LogTooLarge {
        /// The ref.
        name: RefName,
        /// How much there is to read.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The ref moved each time that it was looked at.
    #[error("{name} kept moving while it was looked at {tries} times")]
    Busy {
        /// The ref.
        name: RefName,
        /// How often it was tried.
        tries: u32,
    },
}
