//! Whether the data folder is a copy that no server has taken over yet.

use super::check::Check;
use crate::config::{DataDir, Instance};
use crate::model::chain;

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    match Instance::copied_from(data.path()) {
        Ok(None) => Vec::new(),
        Ok(Some(original)) => vec![Check::warning(
            format!("it is a copy of {}", original.display()),
            "what the original has still to do is set aside at the first start: queued runs and unsent messages",
            "quire serve makes it a data folder of its own",
        )],
        Err(error) => vec![Check::problem(
            chain(&error),
            "no server starts",
            "use the newer quire, or remove that file while nothing runs",
        )],
    }
}
