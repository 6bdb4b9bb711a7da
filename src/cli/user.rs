//! `quire user`: who comes over ssh.

use clap::Subcommand;
use serde_json::json;

use super::access::Access;
use super::actor::own_actor;
use super::ask::{here, perform as ask};
use super::exit::{Code, Ended, print, print_either, print_json};
use super::place::note_if_empty;
use crate::app::{AddUser, RemoveUser, UserView, list_users};
use crate::config::DataDir;
use crate::view::one_line;

/// What `quire user` does.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user; what the user may do is said in :access of config.fnl
    Add {
        /// The name
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List users
    List {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Remove a user with all keys
    Rm {
        /// The name
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl UserCommand {
    /// What the command does to the data folder.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::List { .. } => Access::ReadRuns,
            Self::Add { .. } | Self::Rm { .. } => Access::Write,
        }
    }
}

/// `quire user`.
pub(super) fn perform(data: &DataDir, command: UserCommand) -> Ended {
    match command {
        UserCommand::Add { name, json } => {
            ask(data, AddUser { name: name.clone(), by: own_actor() })?;
            print_added(&name, json);
        }
        UserCommand::List { json } => {
            print_users(&here(data, async |app| list_users(app).await)?, json);
        }
        UserCommand::Rm { name, json } => {
            ask(data, RemoveUser { name: name.clone(), by: own_actor() })?;
            print_removed(&name, json);
        }
    }
    Ok(Code::Done)
}

/// Prints that there is a user.
pub(super) fn print_added(name: &str, as_json: bool) {
    let text = format!("{name} is a user now; next: quire key add {name} FILE\n");
    print_either(as_json, || json!({ "name": name }), &text);
}

/// Prints that there is a user no more.
pub(super) fn print_removed(name: &str, as_json: bool) {
    let text = format!("{name} and all keys of {name} are removed\n");
    print_either(as_json, || json!({ "name": name }), &text);
}

/// Prints a list of users.
pub(super) fn print_users(users: &[UserView], as_json: bool) {
    if as_json {
        return print_json(&json!(users));
    }
    note_if_empty(users.is_empty(), "no users yet; quire user add NAME");
    let keys = |count| if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
    let line = |user: &UserView| {
        let (name, keys, by) = (one_line(&user.name), keys(user.keys), one_line(&user.created_by));
        format!("{name}: {keys}, added {} by {by}\n", user.created_at)
    };
    print(&users.iter().map(line).collect::<String>());
}
