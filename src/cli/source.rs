//! `quire source …`: where jobs come from besides the folder `scripts`, with or without a server.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::access::Access;
use super::ask::{here, perform as ask};
use super::exit::{Code, Ended, print, print_json};
use super::place::note_if_empty;
use crate::app::{self, AddSource, AddedSource, Problem, RemoveSource, find_source, list_sources};
use crate::config::DataDir;
use crate::model::Quoted;
use crate::sources::{PullPolicy, SourceRecord, SourceRequest};
use crate::view::one_line;

/// What can be done with sources.
#[derive(Debug, Subcommand)]
pub(super) enum SourceCommand {
    /// Add a folder, a git repository or an image with jobs, or fetch it again
    Add(AddArgs),
    /// List sources
    List {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show a source
    Show {
        /// The name of the source
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a source and what was fetched for it
    Rm {
        /// The name of the source
        name: String,
    },
}

/// A source to be added.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// local, git or oci
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// What it is called here [default: the last part of the folder, address or image]
    #[arg(long)]
    name: Option<String>,
    /// The folder; the branch, tag or commit; or the image
    #[arg(long = "ref", value_name = "REF", allow_hyphen_values = true)]
    reference: Option<String>,
    /// The address of the repository
    #[arg(long, allow_hyphen_values = true)]
    url: Option<String>,
    /// The image is trusted: a container of it is started
    #[arg(long)]
    trusted: bool,
    /// When the image is pulled: on-add, on-run or never [default: on-add]
    #[arg(long, value_name = "WHEN")]
    pull_policy: Option<String>,
    /// The image must have a verified signature
    #[arg(long)]
    verify_signatures: bool,
    /// Whether its aliases are shown: none, read or readwrite [default: read]
    #[arg(long)]
    expose: Option<String>,
    /// Print the source as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl AddArgs {
    /// What is asked for.
    pub(super) fn request(&self) -> SourceRequest {
        SourceRequest {
            kind: Some(self.kind.clone()),
            name: self.name.clone(),
            reference: self.reference.clone(),
            url: self.url.clone(),
            trusted: self.trusted.then_some(true),
            pull_policy: self.pull_policy.clone(),
            trust: None,
            expose: self.expose.clone(),
            verify_signatures: self.verify_signatures.then_some(true),
        }
    }
}

impl SourceCommand {
    /// What the command does to the data folder.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::List { .. } | Self::Show { .. } => Access::ReadRuns,
            Self::Add(_) | Self::Rm { .. } => Access::Write,
        }
    }

    /// Whether the command may be the first in a data folder.
    pub(super) fn makes_a_data_folder(&self) -> bool {
        matches!(self, Self::Add(_))
    }
}

pub(super) fn perform(data: &DataDir, command: SourceCommand) -> Ended {
    match command {
        SourceCommand::Add(args) => {
            let AddedSource { record, is_new } = ask(data, AddSource { source: args.request() })?;
            print_added(&record, is_new, args.json);
        }
        SourceCommand::List { json } => print_list(&here(data, list_sources)?, json),
        SourceCommand::Show { name, json } => {
            let found = here(data, async |app| find_source(app, &name).await)?;
            let text = format!("there is no source {}", Quoted::new(&name));
            print_source(&found.ok_or_else(|| Problem::new(app::Code::SourceNotFound, text))?, json);
        }
        SourceCommand::Rm { name } => {
            ask(data, RemoveSource { name: name.clone() })?;
            print_removed(&name);
        }
    }
    Ok(Code::Done)
}

pub(super) fn print_added(record: &SourceRecord, is_new: bool, as_json: bool) {
    if as_json {
        return print_json(&json!(record));
    }
    let done = if is_new { "added" } else { "updated" };
    print(&format!("{done} {}\n", line(record)));
}

pub(super) fn print_list(records: &[SourceRecord], as_json: bool) {
    if as_json {
        return print_json(&json!(records));
    }
    note_if_empty(records.is_empty(), "no sources yet; quire source add --type local --ref DIR");
    print(&records.iter().map(|record| format!("{}\n", line(record))).collect::<String>());
}

pub(super) fn print_source(record: &SourceRecord, as_json: bool) {
    if as_json {
        return print_json(&json!(record));
    }
    let mut text = format!("{}\n", line(record));
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<10} {}\n", one_line(value)));
        }
    };
    add("url", &record.url);
    add("ref", &record.reference);
    add("commit", &record.resolved_commit);
    add("digest", &record.digest);
    add("pull", record.pull_policy.map(PullPolicy::as_str).unwrap_or_default());
    for (name, key) in
        [("folder", "resolved_path"), ("checkout", "checkout_path"), ("manifest", "manifest_path")]
    {
        add(name, record.metadata.get(key).and_then(Value::as_str).unwrap_or_default());
    }
    print(&text);
}

pub(super) fn print_removed(name: &str) {
    print(&format!("{} is removed\n", one_line(name)));
}

/// Name, kind, and what it is of.
fn line(record: &SourceRecord) -> String {
    let of = match (record.url.as_str(), record.reference.as_str()) {
        ("", reference) => reference.to_owned(),
        (url, reference) => format!("{reference} of {url}"),
    };
    format!("{:<16} {:<6} {}", one_line(&record.name), record.kind.as_str(), one_line(&of))
}
