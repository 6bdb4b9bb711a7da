//! The wall clock. Durations are measured with `std::time::Instant`, which does not jump.

use crate::model::Timestamp;

/// The moment that it is.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
