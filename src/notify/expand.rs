//! Makes the messages of a notice.

use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::announce::Announcement;
use super::event::{Happened, events_of, matching_targets};
use super::message::Message;
use super::repo_rules::own_rules;
use super::tail::last_output;
use super::target::rules_of_variables;
use crate::config::{DataDir, NotifyEvent, Settings, TargetDecl};
use crate::model::{RefName, RepoName};
use crate::store::{Delivery, NoticeKind, NoticeRow, OutboxRow, RefVerdict, RunRow};
use crate::view::RunView;

/// What notices are compared with.
pub(super) struct Expansion {
    pub(super) data: DataDir,
    pub(super) url: Option<String>,
    pub(super) settings: Arc<Settings>,
    pub(super) of_variables: Arc<Vec<TargetDecl>>,
    /// Whether messages about runs that passed include their output.
    pub(super) shows_output: bool,
    pub(super) notice: NoticeRow,
    /// The run of the notice, and the verdict of its ref before it.
    pub(super) run: Option<(RunRow, RefVerdict)>,
}

/// The result of comparing a notice with the rules.
#[derive(Default)]
pub(super) struct Expanded {
    pub(super) messages: Vec<OutboxRow>,
    /// What is wrong with the rules of a repository.
    pub(super) warning: Option<(RepoName, String)>,
}

/// Compares a notice with the rules, when there is a target at all. Reads the run's folder and the repository: blocks.
pub(super) fn expand(given: &Expansion) -> Expanded {
    match (&given.notice.kind, &given.run) {
        (NoticeKind::Ended(_), Some((row, before))) => {
            let events = row.outcome.map(|outcome| events_of(outcome, before)).unwrap_or_default();
            of_run(given, (row, before.is_outdated), events)
        }
        (NoticeKind::Stuck(_), Some((row, before))) if row.outcome.is_none() => {
            of_run(given, (row, before.is_outdated), &[NotifyEvent::Stuck])
        }
        // A run that was removed, or is no longer in progress.
        (NoticeKind::Ended(_) | NoticeKind::Stuck(_), _) => Expanded::default(),
        (NoticeKind::Watch(said), _) => of_announcement(given, said),
    }
}

fn of_run(given: &Expansion, (row, is_outdated): (&RunRow, bool), events: &[NotifyEvent]) -> Expanded {
    if events.is_empty() {
        return Expanded::default();
    }
    let run = RunView::load(&given.data, row.clone(), given.url.as_deref());
    let run_dir = given.data.run(&row.repo, row.number);
    let ref_name = row.event.subject.as_ref().map(|update| &update.ref_name);
    let happened = Happened { events, repo: &row.repo, ref_name, record: Some(&run.record) };
    let make = |event| {
        let mut message = Message::of_run(&run, event, &run_dir, given.notice.at);
        if is_outdated {
            message.verdict.push_str(", not the newest commit");
        }
        if given.shows_output && message.lines.is_empty() {
            message.lines = last_output(&run_dir, &run.record);
        }
        message
    };
    all(given, &happened, &row.id.to_string(), make)
}

fn of_announcement(given: &Expansion, said: &str) -> Expanded {
    let read = serde_json::from_str::<Announcement>(said).map_err(|error| error.to_string());
    let named = read.and_then(|said| match RepoName::parse(&said.repo) {
        Ok(repo) => Ok((said, repo)),
        Err(error) => Err(error.to_string()),
    });
    let (said, repo) = match named {
        Ok(named) => named,
        Err(problem) => {
            tracing::error!(
                problem,
                "the notice of {} about a watch cannot be read: nobody is notified of it",
                given.notice.at
            );
            return Expanded::default();
        }
    };
    let ref_name = said.ref_name.as_deref().and_then(|name| RefName::parse(name.as_bytes()).ok());
    let events = [NotifyEvent::Watch];
    let happened = Happened { events: &events, repo: &repo, ref_name: ref_name.as_ref(), record: None };
    let about = format!("{} {} {}", said.repo, said.what, given.notice.at);
    all(given, &happened, &about, |_| Message::of_announcement(&said, given.notice.at))
}

/// One message for each matching target.
fn all(
    given: &Expansion,
    happened: &Happened<'_>,
    about: &str,
    make: impl Fn(NotifyEvent) -> Message,
) -> Expanded {
    let notify = &given.settings.notify;
    let (own, problem) = own_rules(&given.data.repo(happened.repo), happened.repo, notify);
    let rules = [notify.rules.clone(), rules_of_variables(&given.of_variables), own].concat();
    let row = |(target, event): (&str, NotifyEvent)| {
        let message = make(event);
        OutboxRow {
            id: id([about, target, event.as_str()]),
            target: target.to_owned(),
            event: event.as_str().to_owned(),
            subject: message.subject.clone(),
            message: serde_json::to_string(&message).unwrap_or_default(),
            state: Delivery::Waiting,
            attempts: 0,
            due_at: given.notice.at,
            problem: None,
            created_at: given.notice.at,
            ended_at: None,
        }
    };
    let messages = matching_targets(&rules, happened).into_iter().map(row).collect();
    Expanded { messages, warning: problem.map(|problem| (happened.repo.clone(), problem)) }
}

/// The id of a message: the same whenever a message is made from the same notice and target.
fn id(parts: [&str; 3]) -> String {
    let digest = digest(&SHA256, parts.join("\n").as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_message_is_stable() {
        let one = id(["01a1fbb1", "team", "failed"]);
        assert_eq!(one, id(["01a1fbb1", "team", "failed"]));
        assert_ne!(one, id(["01a1fbb1", "team", "fixed"]));
        assert_eq!(one.len(), 36);
    }

    #[test]
    fn an_announcement_reaches_rules_for_watched_remotes() {
        let folder = tempfile::tempdir().unwrap();
        let text = b"{:notify {:targets {:a {:slack \"https://x\"} :b {:slack \"https://x\"}} \
            :rules [{:to :a :on [:watch] :refs [\"refs/heads/main\"]} {:to :b :on [:failed]}]}}";
        let said = Announcement {
            repo: "mirror/site".to_owned(),
            ref_name: Some("refs/heads/main".to_owned()),
            what: "was force-pushed at its remote".to_owned(),
            why: None,
        };
        let mut db = crate::store::open(&folder.path().join("quire.db")).unwrap();
        crate::notify::announce(&db, &said, crate::model::Timestamp::from_millis(7)).unwrap();
        let notice = crate::store::notices(&db, 9).unwrap().remove(0);
        let given = Expansion {
            data: DataDir::new(folder.path()),
            url: None,
            settings: Arc::new(crate::config::read(text).unwrap()),
            of_variables: Arc::default(),
            shows_output: false,
            notice,
            run: None,
        };
        let messages = expand(&given).messages;
        assert_eq!(messages.len(), 1);
        assert_eq!((messages[0].target.as_str(), messages[0].subject.as_str()), ("a", "mirror/site"));
        let message: Message = serde_json::from_str(&messages[0].message).unwrap();
        assert_eq!(message.title(), "mirror/site was force-pushed at its remote");
        crate::store::post(&mut db, given.notice.seq, &messages).unwrap();
        assert!(crate::store::notices(&db, 9).unwrap().is_empty());
    }
}
