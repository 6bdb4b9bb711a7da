//! Pushes that announced the same move of one ref at the same time. Git accepts only one of them.

use std::collections::HashSet;

use crate::forge::Verdict;
use crate::store::Intent;

/// The open pushes one of which may have made an update that a verdict assigns to another. Reported updates are certain.
pub(super) fn find_rivals(
    verdict: &Verdict,
    intents: &[Intent],
    reported: Option<&str>,
    open: &HashSet<String>,
) -> HashSet<String> {
    let found = verdict.found.iter().filter_map(|found| found.push.as_ref());
    let pushes: Vec<&String> = found.chain(verdict.bound.iter().map(|bound| &bound.push)).collect();
    let is_reported = |intent: &Intent| reported == Some(intent.push.as_str());
    let mut rivals = HashSet::new();
    for intent in intents.iter().filter(|intent| pushes.contains(&&intent.push) && !is_reported(intent)) {
        let is_rival = |other: &&Intent| {
            let is_other = other.push != intent.push && !is_reported(other);
            is_other && (other.old, other.new) == (intent.old, intent.new)
        };
        let others: Vec<&Intent> = intents.iter().filter(is_rival).collect();
        if !others.is_empty() {
            let all = others.into_iter().chain([intent]).map(|intent| &intent.push);
            rivals.extend(all.filter(|push| open.contains(*push)).cloned());
        }
    }
    rivals
}
