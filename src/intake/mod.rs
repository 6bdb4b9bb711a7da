//! Intake of pushes: the hooks' side, the frames between hook and server, the spool, and the decision what
//! a ref update starts.
//!
//! Nothing here trusts a hook to run to its end: `pre-receive` makes the intent durable before any ref moves, and
//! everything after it is evidence that is checked again (`settle`).

mod audit;
mod decide;
mod frame;
mod hook;
mod objects;
mod pushed_with;
mod repositories;
mod rivals;
mod seen_row;
mod settle;
mod spool;

pub use decide::{Decision, Facts, decide};
pub(crate) use decide::{FIRST_SIGHT, NO_PIPELINE, RUN};
pub use frame::{END_OF_REPORT, EventFrame, FrameError, IntentFrame};
pub use hook::{HookEnvironment, HookOutput, PipeOutput, post_receive, pre_receive, refused_ref, resolve};
pub use objects::commit_subject;
pub use repositories::{ListError, Listing, recorded_name, sync_repositories};
pub use settle::{RecordedUpdate, Scope, SettleError, Settled, Settling, UndecidedRef, UnreadRef, settle};
pub use spool::{Drained, SpoolError, Unread, drain, own_pushes, spool_intent};
