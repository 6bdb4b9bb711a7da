//! Who acts, for the audit: this account, or whoever has come over ssh and is known by a key.

use std::sync::OnceLock;

use crate::sys::user::own_uid;

static ACTING: OnceLock<String> = OnceLock::new();

/// Has this process act for somebody, from now on.
pub(super) fn act_as(actor: String) {
    // A process acts for one.
    let _second = ACTING.set(actor).is_err();
}

/// The actor: `uid:998`, or `user:kim`.
pub(crate) fn own_actor() -> String {
    ACTING.get().cloned().unwrap_or_else(|| format!("uid:{}", own_uid()))
}
