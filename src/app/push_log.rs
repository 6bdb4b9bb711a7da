//! The lines of the server's log about pushes: one for each, and one for refs that moved without a push.

use std::collections::BTreeMap;

use crate::intake::RecordedUpdate;
use crate::model::first_of;
use crate::store::RepoRow;
use crate::view::one_line;

/// The updates of a push that are named.
const MAX_NAMED: usize = 3;

/// Logs what was recorded of a repository.
pub(super) fn log(repo: &RepoRow, recorded: &[RecordedUpdate]) {
    let mut pushes: BTreeMap<Option<&str>, Vec<&RecordedUpdate>> = BTreeMap::new();
    for update in recorded {
        pushes.entry(update.push.as_deref()).or_default().push(update);
    }
    for (push, updates) in pushes {
        tracing::info!("{}", line(repo, push.is_some(), &updates));
    }
}

/// `push to foo by ada: main 9f31c2a..88aa41b (run 3 queued)`
fn line(repo: &RepoRow, is_push: bool, updates: &[&RecordedUpdate]) -> String {
    let what = match (repo.is_watched(), is_push) {
        (true, _) => "change of watched",
        (false, true) => "push to",
        (false, false) => "refs moved without a push in",
    };
    let pusher = updates.iter().find_map(|update| update.pusher.as_deref());
    let by = pusher.map(|pusher| format!(" by {}", one_line(pusher))).unwrap_or_default();
    let named = first_of(updates.iter().map(|update| shown(update)), MAX_NAMED);
    format!("{what} {}{by}: {named}", repo.name)
}

fn shown(update: &RecordedUpdate) -> String {
    let name = one_line(&update.ref_name.short());
    let change = match (update.old.is_zero(), update.new.is_zero()) {
        (_, true) => return format!("{name} deleted"),
        (true, false) => format!("new at {}", update.new.short()),
        (false, false) => format!("{}..{}", update.old.short(), update.new.short()),
    };
    format!("{name} {change} ({})", one_line(update.run.as_ref().unwrap_or(&update.decision)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommitId, RefName, RepoName};

    #[test]
    fn a_push_is_one_line() {
        let repo = RepoRow::hosted("id".to_owned(), RepoName::parse("g/foo").unwrap());
        let id = |digit: &str| CommitId::parse(&digit.repeat(40)).unwrap();
        let update = |name: &str, old, new, decision: &str, run: Option<&str>| RecordedUpdate {
            ref_name: RefName::parse(name.as_bytes()).unwrap(),
            old,
            new,
            push: Some("p".to_owned()),
            pusher: Some("a\u{1b}da".to_owned()),
            certificate: None,
            decision: decision.to_owned(),
            run: run.map(str::to_owned),
        };
        let updates = [
            update("refs/heads/main", id("1"), id("2"), "run", Some("run 3 queued")),
            update("refs/tags/v1", CommitId::ZERO, id("2"), "no pipeline", None),
            update("refs/heads/old", id("1"), CommitId::ZERO, "deleted", None),
            update("refs/heads/x", id("1"), CommitId::ZERO, "deleted", None),
        ];
        assert_eq!(
            line(&repo, true, &updates.each_ref()),
            "push to g/foo by a\u{fffd}da: main 1111111..2222222 (run 3 queued), v1 new at 2222222 (no pipeline), \
             old deleted and 1 more"
        );
    }
}
