//! Which events a run causes, and which rules match them.

use crate::config::{NotifyEvent, NotifyRule};
use crate::journal::RunRecord;
use crate::model::{JobId, Outcome, RefName, RepoName};
use crate::store::RefVerdict;

/// What is compared with the rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happened<'a> {
    /// The events, the most specific first.
    pub(super) events: &'a [NotifyEvent],
    pub(super) repo: &'a RepoName,
    /// The ref, if it is about one.
    pub(super) ref_name: Option<&'a RefName>,
    /// The contents of the run's journal, if the event is about a run.
    pub(super) record: Option<&'a RunRecord>,
}

/// The events at the end of a run; empty for a superseded or skipped run. `verdict` is that of its ref before: a run of an
/// older commit fixes nothing.
pub(super) fn events_of(outcome: Outcome, verdict: &RefVerdict) -> &'static [NotifyEvent] {
    let before = verdict.before.filter(|_| !verdict.is_outdated);
    match outcome {
        Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted | Outcome::Denied => {
            &[NotifyEvent::Failed]
        }
        Outcome::Passed if before.is_some_and(|before| before != Outcome::Passed) => {
            &[NotifyEvent::Fixed, NotifyEvent::Passed]
        }
        Outcome::Passed => &[NotifyEvent::Passed],
        Outcome::Cancelled => &[NotifyEvent::Cancelled],
        Outcome::Superseded | Outcome::Skipped => &[],
    }
}

/// The targets that get a message, each once, with the event that it is about.
pub(super) fn matching_targets<'a>(
    rules: &'a [NotifyRule],
    happened: &Happened<'_>,
) -> Vec<(&'a str, NotifyEvent)> {
    let mut matched: Vec<(&str, NotifyEvent)> = Vec::new();
    for event in happened.events {
        for rule in rules {
            let is_matched = matched.iter().any(|(target, _)| *target == rule.to);
            if !is_matched && matches_rule(rule, *event, happened) {
                matched.push((&rule.to, *event));
            }
        }
    }
    matched
}

fn matches_rule(rule: &NotifyRule, event: NotifyEvent, happened: &Happened<'_>) -> bool {
    let is_its_ref = || happened.ref_name.is_some_and(|name| rule.refs.contains(name));
    rule.on.contains(&event)
        && (rule.repos.is_empty() || rule.repos.contains(happened.repo))
        && (rule.refs.is_empty() || is_its_ref())
        && (rule.jobs.is_empty() || rule.jobs.iter().any(|job| concerns(job, event, happened.record)))
}

/// Whether an event concerns a job. A run without known jobs, such as a broken pipeline, concerns every job.
fn concerns(job: &JobId, event: NotifyEvent, record: Option<&RunRecord>) -> bool {
    let Some(record) = record else { return false };
    if record.jobs.is_empty() {
        return true;
    }
    let outcome = record.jobs.iter().find(|known| known.id == job.as_str()).map(|known| known.outcome);
    match (event, outcome) {
        (_, None) | (NotifyEvent::Watch, _) => false,
        (NotifyEvent::Failed | NotifyEvent::Cancelled, Some(outcome)) => {
            !matches!(outcome, Some(Outcome::Passed | Outcome::Skipped))
        }
        (NotifyEvent::Fixed | NotifyEvent::Passed, Some(outcome)) => outcome == Some(Outcome::Passed),
        (NotifyEvent::Stuck, Some(outcome)) => outcome.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::JobRecord;
    use NotifyEvent::*;

    fn rule(to: &str, on: &[NotifyEvent]) -> NotifyRule {
        NotifyRule { to: to.to_owned(), on: on.to_vec(), repos: vec![], refs: vec![], jobs: vec![] }
    }

    fn job(id: &str, outcome: Option<Outcome>) -> JobRecord {
        JobRecord { outcome, ..JobRecord::new(id.to_owned(), vec![]) }
    }

    #[test]
    fn every_outcome_has_its_events() {
        let table: [(Outcome, Option<Outcome>, &[NotifyEvent]); 10] = [
            (Outcome::Failed, None, &[Failed]),
            (Outcome::TimedOut, Some(Outcome::Passed), &[Failed]),
            (Outcome::Interrupted, None, &[Failed]),
            (Outcome::Denied, None, &[Failed]),
            (Outcome::Passed, None, &[Passed]),
            (Outcome::Passed, Some(Outcome::Passed), &[Passed]),
            (Outcome::Passed, Some(Outcome::TimedOut), &[Fixed, Passed]),
            (Outcome::Cancelled, Some(Outcome::Failed), &[Cancelled]),
            (Outcome::Superseded, Some(Outcome::Failed), &[]),
            (Outcome::Skipped, Some(Outcome::Failed), &[]),
        ];
        for (outcome, before, events) in table {
            let verdict = RefVerdict { before, is_outdated: false };
            assert_eq!(events_of(outcome, &verdict), events, "{outcome} after {before:?}");
        }
        let outdated = RefVerdict { before: Some(Outcome::Failed), is_outdated: true };
        assert_eq!(events_of(Outcome::Passed, &outdated), [Passed]);
    }

    #[test]
    fn a_target_gets_one_message_about_the_most_specific_event() {
        let repo = RepoName::parse("site").unwrap();
        let rules =
            [rule("a", &[Passed]), rule("a", &[Fixed]), rule("b", &[Passed, Failed]), rule("c", &[Failed])];
        let happened = Happened { events: &[Fixed, Passed], repo: &repo, ref_name: None, record: None };
        assert_eq!(matching_targets(&rules, &happened), [("a", Fixed), ("b", Passed)]);
    }

    #[test]
    fn repositories_refs_and_jobs_narrow_a_rule() {
        let repo = RepoName::parse("site").unwrap();
        let main = RefName::parse(b"refs/heads/main").unwrap();
        let mut record = RunRecord {
            jobs: vec![job("test", Some(Outcome::Failed)), job("deploy", Some(Outcome::Skipped))],
            ..RunRecord::default()
        };
        let is_told = |rule: &NotifyRule, event, record: &RunRecord| {
            let events = [event];
            let happened =
                Happened { events: &events, repo: &repo, ref_name: Some(&main), record: Some(record) };
            !matching_targets(std::slice::from_ref(rule), &happened).is_empty()
        };
        let mut narrow = rule("a", &[Failed, Passed, Stuck]);
        narrow.repos = vec![repo.clone()];
        narrow.refs = vec![main.clone()];
        assert!(is_told(&narrow, Failed, &record));
        narrow.refs = vec![RefName::parse(b"refs/tags/main").unwrap()];
        assert!(!is_told(&narrow, Failed, &record));
        narrow.refs.clear();
        narrow.repos = vec![RepoName::parse("group/site").unwrap()];
        assert!(!is_told(&narrow, Failed, &record));
        narrow.repos.clear();
        for (name, event, is_wanted) in [
            ("test", Failed, true),
            ("deploy", Failed, false),
            ("other", Failed, false),
            ("test", Passed, false),
            ("test", Stuck, false),
        ] {
            narrow.jobs = vec![JobId::parse(name).unwrap()];
            assert_eq!(is_told(&narrow, event, &record), is_wanted, "{name} {event:?}");
        }
        record.jobs.clear();
        assert!(is_told(&narrow, Failed, &record));
    }
}
