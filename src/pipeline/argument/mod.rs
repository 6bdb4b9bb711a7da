//! Typed arguments of jobs: declared in `config.yaml` or by `ci.manual`, given as words or JSON, checked and resolved. Which
//! front-end declared them makes no difference.

mod read;
mod resolve;
mod spec;
pub(crate) mod words;

pub(crate) use read::{MAX_ARGUMENTS, argument_name, prose, read_argument, read_old_argument};
pub(crate) use resolve::{
    ArgError, ArgErrorKind, Paths, Resolved, SHOWN_SECRET, UnknownPaths, completed, resolve,
};
pub(crate) use spec::{ArgFormat, ArgKind, ArgSpec};
pub(crate) use words::{SecretWord, read_words};
