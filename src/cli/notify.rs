//! `quire notify`: what was sent to whom, and whether a target works.

use serde_json::{Value, json};

use super::access::Access;
use super::exit::{Code, Ended, Failure, print, print_json};
use super::ops::{alone, ask, refused};
use super::place::{database, environment, note_if_empty};
use crate::config::{self, ConfigError, DataDir};
use crate::model::suggest;
use crate::notify::{deliver, find_target, test_message, variables};
use crate::store::{self, Delivery, OutboxRow};
use crate::sys::clock;
use crate::sys::random;

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
            NotifyCommand::List { .. } | NotifyCommand::Test { .. } => Access::ReadRuns,
            NotifyCommand::Retry { .. } => Access::Write,
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
    let rows = if data.database().exists() { messages(data, limit)? } else { Vec::new() };
    if as_json {
        print_json(&Value::Array(rows.iter().map(row_json).collect()));
    } else {
        note_if_empty(rows.is_empty(), "no messages yet; :notify in config.fnl says who is told of what");
        print(&rows.iter().map(row_line).collect::<String>());
    }
    Ok(Code::Done)
}

fn messages(data: &DataDir, limit: usize) -> Result<Vec<OutboxRow>, Failure> {
    store::list_messages(&database(data)?, limit).map_err(|error| {
        // A database that no newer server has opened yet has no outbox.
        Failure::broken(&error).hint("quire serve brings the database to this version")
    })
}

fn row_json(row: &OutboxRow) -> Value {
    let is_waiting = row.state == Delivery::Waiting;
    json!({
        "id": row.id,
        "target": row.target,
        "event": row.event,
        "subject": row.subject,
        "state": row.state.as_str(),
        "attempts": row.attempts,
        "problem": row.problem,
        "created_at": row.created_at.to_string(),
        "due_at": is_waiting.then(|| row.due_at.to_string()),
        "ended_at": row.ended_at.map(|time| time.to_string()),
    })
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
    let settings = match config::load(&data.config()) {
        Ok(settings) => settings.notify,
        Err(ConfigError::Wrong(wrong)) => return Err(Failure::mistakes(&wrong)),
        Err(error) => return Err(Failure::broken(&error)),
    };
    let (of_variables, problems) = variables(data, &environment());
    eprint!("{}", problems.concat());
    let Some(target) = find_target(&settings, &of_variables, name) else {
        let names: Vec<&str> =
            settings.targets.iter().chain(&of_variables).map(|target| target.name.as_str()).collect();
        let hint = match suggest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None if names.is_empty() => {
                "config.fnl declares none; docs/notifications.md shows how".to_owned()
            }
            None => format!("there are {}", names.join(", ")),
        };
        return Err(Failure::not_found(format!("there is no target `{name}`")).hint(hint));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::broken(&error))?;
    let (message, id) = (test_message(clock::now()), random::run_id().to_string());
    let sent = runtime.block_on(deliver(&target, &message, &id));
    // A name that is still being resolved must not hold up the end.
    runtime.shutdown_background();
    sent.map_err(|error| Failure::new(Code::Failed, format!("{name} was not reached: {error}")))?;
    print(&format!("sent to {name}\n"));
    Ok(Code::Done)
}

fn retry(data: &DataDir, start: &str) -> Ended {
    let unknown =
        || Failure::not_found(format!("there is no message `{start}`")).hint("quire notify list lists them");
    let rows = messages(data, usize::MAX)?;
    let mut found = rows.iter().filter(|row| !start.is_empty() && row.id.starts_with(start));
    let row = found.next().ok_or_else(unknown)?;
    if found.next().is_some() {
        let message = format!("several messages begin with `{start}`");
        return Err(Failure::new(Code::Usage, message).hint("give more of the id"));
    }
    match ask(data, &format!("/notify/{}/retry", row.id), None) {
        Some((200, _)) => print(&format!("{} to {} is tried now\n", row.subject, row.target)),
        Some((404, _)) => return Err(unknown()),
        Some((_, value)) => return Err(refused(&value)),
        None => {
            let (connection, _lock) = alone(data)?;
            let changed = store::retry_message(&connection, &row.id, clock::now());
            changed.map_err(|error| Failure::broken(&error))?;
            print(&format!("{} to {} is tried when `quire serve` is there\n", row.subject, row.target));
        }
    }
    Ok(Code::Done)
}
