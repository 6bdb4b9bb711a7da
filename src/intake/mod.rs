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
mod protected_push;
mod protection;
mod pushed_with;
mod relay;
mod relay_queue;
mod repositories;
mod rivals;
mod seen_row;
mod settle;
mod spool;

pub(crate) use decide::{FIRST_SIGHT, NO_PIPELINE, RUN};
pub(crate) use frame::{END_OF_REPORT, EventFrame, IntentFrame, is_over_http, over_http};
pub(crate) use hook::{HookEnvironment, post_receive, pre_receive, refused_ref, resolve};
pub(crate) use objects::commit_subject;
pub(crate) use protected_push::{ProtectedPush, is_protected, refuse_protected, unknown_protection};
pub(crate) use repositories::{Listing, recorded_name, sync_repositories};
pub(crate) use settle::{RecordedUpdate, Scope, SettleError, Settled, Settling, settle};
pub(crate) use spool::{Drained, Unread, drain, own_pushes};
