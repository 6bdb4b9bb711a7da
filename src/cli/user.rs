//! `quire user`: who comes over ssh.

use clap::Subcommand;
use serde_json::json;

use super::access::Access;
use super::actor::own_actor;
use super::ask::{here, perform as ask};
use super::exit::{Code, Ended, print, print_either, print_json};
use super::place::note_if_empty;
use crate::app::{AddUser, RemoveUser, list_users};
use crate::config::DataDir;

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
            let text = format!("{name} is a user now; next: quire key add {name} FILE\n");
            print_either(json, || json!({ "name": name }), &text);
        }
        UserCommand::List { json } => {
            let users = here(data, async |app| list_users(app).await)?;
            if json {
                print_json(&json!(users));
                return Ok(Code::Done);
            }
            note_if_empty(users.is_empty(), "no users yet; quire user add NAME");
            let keys = |count| if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
            let line = |user: &crate::app::UserView| {
                let keys = keys(user.keys);
                format!("{}: {keys}, added {} by {}\n", user.name, user.created_at, user.created_by)
            };
            print(&users.iter().map(line).collect::<String>());
        }
        UserCommand::Rm { name, json } => {
            ask(data, RemoveUser { name: name.clone(), by: own_actor() })?;
            let text = format!("{name} and all keys of {name} are removed\n");
            print_either(json, || json!({ "name": name }), &text);
        }
    }
    Ok(Code::Done)
}
