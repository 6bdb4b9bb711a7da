//! `quire key`: the ssh keys of users, and deploy keys.

use std::io::Read;
use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::access::Access;
use super::actor::own_actor;
use super::ask::{here, perform as ask};
use super::exit::{Code, Ended, Failure, print, print_either, print_json};
use super::place::note_if_empty;
use crate::app::{AddKey, KeyView, RemoveKey, list_keys};
use crate::config::DataDir;
use crate::view::one_line;

/// The longest file of a key that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// What `quire key` does.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Add a public key of a user
    Add {
        /// The user, as `quire user list` names it
        user: String,
        /// The file of the public key, such as id_ed25519.pub, or - for standard input
        file: String,
        /// Make it a deploy key of this repository: it opens it, and no other; several times, or with commas
        #[arg(long = "repo", alias = "repos", value_delimiter = ',', value_name = "NAME")]
        repos: Vec<String>,
        /// It can fetch, and not push
        #[arg(long)]
        read: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List keys
    List {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Remove a key
    Rm {
        /// Its number, or the beginning of its fingerprint
        key: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl KeyCommand {
    /// Whether the command reads a file of this machine.
    pub(super) fn reads_a_file(&self) -> bool {
        matches!(self, Self::Add { file, .. } if file != "-")
    }

    /// What the command does to the data folder.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::List { .. } => Access::ReadRuns,
            Self::Add { .. } | Self::Rm { .. } => Access::Write,
        }
    }
}

/// `quire key`.
pub(super) fn perform(data: &DataDir, command: KeyCommand) -> Ended {
    match command {
        KeyCommand::Add { user, file, repos, read, json } => {
            let key = read_file(&file)?;
            let added = ask(data, AddKey { user, key, repos, read, by: own_actor() })?;
            print_either(json, || json!(added), &line(&added));
        }
        KeyCommand::List { json } => {
            print_keys(&here(data, async |app| list_keys(app).await)?, json);
        }
        KeyCommand::Rm { key, json } => {
            let removed = ask(data, RemoveKey { key, by: own_actor() })?;
            let text = format!("the key {} of {} is removed\n", removed.id, removed.user);
            print_either(json, || json!(removed), &text);
        }
    }
    Ok(Code::Done)
}

/// Prints a list of keys.
pub(super) fn print_keys(keys: &[KeyView], as_json: bool) {
    if as_json {
        return print_json(&json!(keys));
    }
    note_if_empty(keys.is_empty(), "no keys yet; quire key add USER FILE");
    print(&keys.iter().map(line).collect::<String>());
}

/// The text of the file of a key.
pub(super) fn read_file(file: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().take(MAX_FILE).read_to_string(&mut text),
        file => std::fs::File::open(Path::new(file))
            .and_then(|file| file.take(MAX_FILE).read_to_string(&mut text)),
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::new(Code::Usage, format!("could not read {}: {error}", one_line(file)))
            .hint("name the file of the public key, such as ~/.ssh/id_ed25519.pub, or - for standard input")),
    }
}

/// A key in a list: its number, its user, what it opens.
pub(super) fn line(key: &KeyView) -> String {
    let opens = match (&key.repos, key.may.as_deref()) {
        (Some(repos), may) => format!(", may {} {} only", may.unwrap_or("write"), repos.join(", ")),
        (None, Some(may)) => format!(", may {may} only"),
        (None, None) => String::new(),
    };
    let comment =
        if key.comment.is_empty() { String::new() } else { format!(" ({})", one_line(&key.comment)) };
    format!("{}: {} {}{comment}{opens}\n", key.id, key.user, key.fingerprint)
}
