//! What jobs are given by the event sources that fired.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::objects::Objects;
use super::push_event::PushEvent;
use crate::event::{Event, EventKind, Source};

/// The sources that fired, with what each gives to the jobs that need it.
pub type Fired = BTreeMap<Source, Value>;

/// What the sources of an event give. For a push it looks at what has changed, for which the evaluation does not wait.
///
/// # Errors
/// When the commit cannot be read.
pub(super) fn fired(event: &Event, repo: &str, objects: &dyn Objects) -> Result<Fired, String> {
    let outputs = match event.kind.original() {
        EventKind::Push | EventKind::Watch | EventKind::Rerun(_) => match &event.subject {
            Some(update) => {
                let git_dir = &*objects.folder().to_string_lossy();
                let (pusher, pushed_at) = (event.pusher(), &event.at.to_string());
                let push = PushEvent { update, pusher, repo, git_dir, pushed_at };
                push.outputs(&objects.pushed(update)?)
            }
            None => Value::Null,
        },
        EventKind::Manual { args, .. } => json!({ "args": args, "actor": event.actor }),
        EventKind::Cron { schedule, due_at } => {
            json!({ "schedule": schedule, "due-at": due_at.to_string() })
        }
    };
    Ok(event.sources().into_iter().map(|source| (source, outputs.clone())).collect())
}
