//! What jobs are given by the event sources that fired.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::objects::{Objects, Pushed};
use super::push_event::PushEvent;
use crate::event::{Event, EventKind, Source};
use crate::model::RefKind;

/// The sources that fired, with what each gives to the jobs that need it.
pub type Fired = BTreeMap<Source, Value>;

/// What the sources of an event give. For a push it looks at what has changed, unless that is known; the evaluation does not
/// wait for it.
///
/// # Errors
/// When the commit cannot be read.
pub(super) fn fired(
    event: &Event,
    repo: &str,
    (objects, known): (&dyn Objects, Option<Pushed>),
) -> Result<Fired, String> {
    let outputs = match event.kind.original() {
        EventKind::Push | EventKind::Watch | EventKind::Rerun(_) => match &event.subject {
            Some(update) => {
                let git_dir = &*objects.folder().to_string_lossy();
                let (pusher, pushed_at) = (event.pusher(), &event.at.to_string());
                let push = PushEvent { update, pusher, repo, git_dir, pushed_at };
                push.outputs(&known.map_or_else(|| objects.pushed(update), Ok)?)
            }
            None => Value::Null,
        },
        EventKind::Manual { args, .. } => {
            let mut given = json!({
                "args": args,
                "actor": event.actor,
                "repo": repo,
                "started-at": event.at.to_string(),
            });
            if let (Some(update), Some(fields)) = (&event.subject, given.as_object_mut()) {
                let (name, commit) = (update.ref_name.short(), objects.pushed(update)?.commit);
                let kind = update.ref_name.kind();
                fields.insert("ref".to_owned(), update.ref_name.to_string().into());
                fields.insert("branch".to_owned(), (kind == RefKind::Branch).then_some(&*name).into());
                fields.insert("tag".to_owned(), (kind == RefKind::Tag).then_some(&*name).into());
                fields.insert("sha".to_owned(), commit.id.to_string().into());
                fields.insert("commit-message".to_owned(), commit.message.into());
                fields.insert("git-dir".to_owned(), objects.folder().to_string_lossy().into());
            }
            given
        }
        EventKind::Cron { schedule, due_at } => {
            json!({ "schedule": schedule, "due-at": due_at.to_string() })
        }
    };
    Ok(event.sources().into_iter().map(|source| (source, outputs.clone())).collect())
}
