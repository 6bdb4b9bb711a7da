//! `quire notify`: what was sent to whom, and whether a target works.

use serde_json::json;

use super::access::Access;
use super::ask::{here, perform as ask};
use super::exit::{Code, Ended, print, print_error, print_json};
use super::place::note_if_empty;
use crate::app::{
    Delivery, NotificationShape, OutboxRow, RetriedNotification, RetryNotification, TargetTest,
    list_notifications, test_target,
};
use crate::config::DataDir;

/// What `quire notify` does.
#[derive(Debug, clap::Subcommand)]
pub(super) enum NotifyCommand {
    /// List messages, newest first, with how they went
    List {
        /// At most this many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Send a test to a target of config.fnl, now and from here
    Test {
        /// The name of the target
        target: String,
    },
    /// Have a message tried now, with all its attempts again
    Retry {
        /// The id of the message, or how it begins
        id: String,
    },
}

impl NotifyCommand {
    /// What the command does to the data folder.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::List { .. } | Self::Test { .. } => Access::ReadRuns,
            Self::Retry { .. } => Access::Write,
        }
    }
}

/// `quire notify`.
pub(super) fn perform(data: &DataDir, command: NotifyCommand) -> Ended {
    match command {
        NotifyCommand::List { limit, json } => list(data, limit, json),
        NotifyCommand::Test { target } => test(data, &target),
        NotifyCommand::Retry { id } => retry(data, &id),
    }
}

fn list(data: &DataDir, limit: usize, as_json: bool) -> Ended {
    let rows = here(data, async |app| list_notifications(app, limit).await)?;
    if as_json {
        print_json(&json!(rows.into_iter().map(NotificationShape::of).collect::<Vec<_>>()));
    } else {
        note_if_empty(rows.is_empty(), "no messages yet; `:notify` in config.fnl sets up notifications");
        print(&rows.iter().map(row_line).collect::<String>());
    }
    Ok(Code::Done)
}

fn row_line(row: &OutboxRow) -> String {
    let times = match row.attempts {
        0 => String::new(),
        1 => ", 1 attempt".to_owned(),
        count => format!(", {count} attempts"),
    };
    let due = match row.state {
        Delivery::Waiting if row.attempts > 0 => format!(", next at {}", row.due_at),
        Delivery::Waiting | Delivery::Sent | Delivery::GivenUp => String::new(),
    };
    let problem = row.problem.as_deref().map(|problem| format!(": {problem}")).unwrap_or_default();
    let (state, event) = (row.state.as_str(), &row.event);
    format!("{}  {state:<8}  {event:<9} {} to {}{times}{due}{problem}\n", row.id, row.subject, row.target)
}

fn test(data: &DataDir, name: &str) -> Ended {
    let TargetTest { warnings, sent } = here(data, async |app| test_target(app, name).await)?;
    print_error(&warnings.concat());
    sent?;
    print(&format!("sent to {name}\n"));
    Ok(Code::Done)
}

fn retry(data: &DataDir, id: &str) -> Ended {
    let RetriedNotification { subject, target, is_now } = ask(data, RetryNotification { id: id.to_owned() })?;
    let when = if is_now { "now" } else { "when `quire serve` runs" };
    print(&format!("{subject} to {target} is tried {when}\n"));
    Ok(Code::Done)
}
