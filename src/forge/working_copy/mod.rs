//! Working copies: what git would commit of one, copied elsewhere. Changes nothing in it.

mod copy;
mod copy_error;
mod listing;
mod opened;

pub use copy::copy_working_copy;
pub use copy_error::CopyError;
pub use opened::{HeadCommit, WorkingCopy, WorkingCopyError, checked_out_branch};
