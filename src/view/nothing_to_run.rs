//! What a push reads that starts no run.

use std::collections::BTreeMap;

use super::sanitize::one_line;
use crate::model::{RefName, first_of};

/// The refs that are named in a line.
const MAX_NAMED: usize = 3;

/// One line for each reason: the refs that were pushed, and why nothing runs for them.
pub(crate) fn nothing_to_run<'a>(updates: impl Iterator<Item = (&'a RefName, &'a str)>) -> String {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, why) in updates {
        reasons.entry(why).or_default().push(one_line(&name.short()));
    }
    let line = |(why, names): (&str, Vec<String>)| {
        let why = match why {
            "no pipeline" => "no .quire/ci.fnl, .quire/ci.lua or workflow file",
            why => why,
        };
        format!("quire: nothing to run for {}: {why}\n", first_of(names.iter(), MAX_NAMED))
    };
    reasons.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_with_the_same_reason_share_a_line() {
        let names = ["main", "a", "b", "c", "gone"]
            .map(|name| RefName::parse(format!("refs/heads/{name}").as_bytes()).unwrap());
        let why = ["no pipeline", "no pipeline", "no pipeline", "no pipeline", "deleted"];
        assert_eq!(
            nothing_to_run(names.iter().zip(why)),
            "quire: nothing to run for gone: deleted\n\
             quire: nothing to run for main, a, b and 1 more: no .quire/ci.fnl, .quire/ci.lua or workflow file\n"
        );
    }
}
