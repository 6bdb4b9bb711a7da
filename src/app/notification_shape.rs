//! A message of the outbox as it is answered, over HTTP and by commands.

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{Delivery, OutboxRow};

/// A message to a target.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub struct NotificationShape {
    /// Its id.
    pub(crate) id: String,
    /// The target.
    pub(crate) target: String,
    /// The event that it is about.
    pub(crate) event: String,
    /// A run, or a repository.
    pub(crate) subject: String,
    /// `waiting`, `sent` or `given-up`.
    pub(crate) state: String,
    /// The number of attempts.
    pub(crate) attempts: u32,
    /// When the next attempt is due, while it waits.
    pub(crate) due_at: Option<String>,
    /// The error of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    /// When it was made.
    pub(crate) created_at: String,
    /// When it was sent or given up.
    pub(crate) ended_at: Option<String>,
}

impl NotificationShape {
    /// What is known of a message.
    pub(crate) fn of(row: OutboxRow) -> Self {
        Self {
            due_at: (row.state == Delivery::Waiting).then(|| row.due_at.to_string()),
            id: row.id,
            target: row.target,
            event: row.event,
            subject: row.subject,
            state: row.state.as_str().to_owned(),
            attempts: row.attempts,
            problem: row.problem,
            created_at: row.created_at.to_string(),
            ended_at: row.ended_at.map(|time| time.to_string()),
        }
    }
}
