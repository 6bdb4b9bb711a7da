//! Notifications: what was sent to whom, once more, and whether a target works.

use std::sync::Arc;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::operation::Operation;
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::model::{AuditAction, suggest};
use crate::notify::{deliver, find_target, test_message, variables};
use crate::store;
use crate::sys::{clock, random};

pub use crate::store::{Delivery, OutboxRow};

/// A message is tried now, with all its attempts again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryNotification {
    /// Its id, or how that begins.
    pub(crate) id: String,
}

/// The message that is tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RetriedNotification {
    /// What it is about.
    pub(crate) subject: String,
    pub(crate) target: String,
    /// Whether a server tries it now.
    pub(crate) is_now: bool,
}

/// A test of a target.
#[derive(Debug)]
pub struct TargetTest {
    /// What is wrong with the variables of targets.
    pub(crate) warnings: Vec<String>,
    /// Whether the message arrived.
    pub(crate) sent: Result<(), Problem>,
}

/// Lists messages, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn list_notifications(app: &AppState, limit: usize) -> Result<Vec<OutboxRow>, Problem> {
    let listed = app.store.call(move |connection| store::list_messages(connection, limit)).await?;
    // A database that no newer server has opened yet has no outbox.
    listed.map_err(|error| Problem::failed(&error).hint("quire serve brings the database to this version"))
}

/// Lists messages, newest first: those in a state or all, before a row, at most `limit`; with the row before which the
/// next page begins.
///
/// # Errors
/// When the database cannot be read.
pub async fn page_of_notifications(
    app: &AppState,
    state: Option<Delivery>,
    (before, limit): (Option<i64>, usize),
) -> Result<(Vec<OutboxRow>, Option<i64>), Problem> {
    let range = (before, limit.saturating_add(1));
    let mut rows =
        app.store.call(move |connection| store::page_of_messages(connection, state, range)).await??;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|(place, _)| *place).filter(|_| has_more);
    Ok((rows.into_iter().map(|(_, row)| row).collect(), next))
}

impl Operation for RetryNotification {
    type Answer = RetriedNotification;

    const ROUTE: &'static str = "/notifications/retry";

    async fn perform(self, app: &AppState) -> Result<RetriedNotification, Problem> {
        let start = &self.id;
        let unknown = || {
            Problem::new(Code::NotificationNotFound, format!("message `{start}` does not exist"))
                .hint("quire notify list lists them")
        };
        let rows = list_notifications(app, usize::MAX).await?;
        let mut found = rows.into_iter().filter(|row| !start.is_empty() && row.id.starts_with(start));
        let OutboxRow { id, subject, target, .. } = found.next().ok_or_else(unknown)?;
        if found.next().is_some() {
            let text = format!("several messages begin with `{start}`");
            return Err(Problem::new(Code::NotificationAmbiguous, text).hint("give more of the id"));
        }
        let entry = app
            .entry(AuditAction::NotificationRetry)
            .on(&id)
            .with("subject", subject.as_str())
            .with("target", target.as_str());
        let retry = move |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let is_there = store::retry_message(&transaction, &id, clock::now())?;
            if is_there {
                entry.insert(&transaction)?;
            }
            transaction.commit().map(|()| is_there)
        };
        if !app.writer()?.call(retry).await?? {
            return Err(unknown());
        }
        app.notices.notify_one();
        Ok(RetriedNotification { subject, target, is_now: app.local.is_none() })
    }
}

/// Sends a test to a target of `config.fnl` or of a variable, now and from here.
///
/// # Errors
/// When `config.fnl` cannot be used.
pub async fn test_target(app: &AppState, name: &str) -> Result<TargetTest, Problem> {
    let (data, environment) = (app.data.clone(), Arc::clone(&app.environment));
    let settings = Arc::clone(&app.settings.read()?);
    let (of_variables, warnings) = variables(&data, &environment);
    let settings = &settings.notify;
    let Some(target) = find_target(settings, &of_variables, name) else {
        let names: Vec<&str> =
            settings.targets.iter().chain(&of_variables).map(|target| target.name.as_str()).collect();
        let hint = match suggest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None if names.is_empty() => {
                "config.fnl declares none; docs/notifications.md shows how".to_owned()
            }
            None => format!("targets are {}", names.join(", ")),
        };
        let unknown = Problem::new(Code::TargetNotFound, format!("unknown target `{name}`")).hint(hint);
        return Ok(TargetTest { warnings, sent: Err(unknown) });
    };
    let (message, id) = (test_message(clock::now()), random::run_id().to_string());
    let sent = deliver(&target, &message, &id).await;
    let unreached =
        |error| Problem::new(Code::TargetUnreached, format!("could not send to `{name}`: {error}"));
    Ok(TargetTest { warnings, sent: sent.map(drop).map_err(unreached) })
}
