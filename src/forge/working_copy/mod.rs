//! Working copies: copies to another folder what git would commit. Changes nothing in the working copy.

mod copy;
mod copy_error;
mod listing;
mod opened;

pub(crate) use copy::copy_working_copy;
pub(crate) use opened::{WorkingCopy, WorkingCopyError, checked_out_branch};
