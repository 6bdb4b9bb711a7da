//! `quire watch …`: branches of repositories elsewhere, with or without a server.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::access::Access;
use super::exit::{Code, Ended, Failure, print, print_json};
use super::ops::alone;
use super::place::{database, note_if_empty};
use super::watch_import::import;
use crate::app::{serves_without_socket, watch_note};
use crate::config::{self, ConfigError, DEFAULT_EVERY, DataDir, Settings, WatchDecl};
use crate::http::WatchFrame;
use crate::model::{BranchName, RemoteUrl, RepoName, SecretName, Timestamp, chain, parse_duration, suggest};
use crate::store::{self, WatchStatus};
use crate::sys::{clock, http_client};
use crate::watch::{WatchError, WatchState, add_watch, all_watches, remove_watch};

/// How long the server may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take to look at remotes, of which each may take an hour.
const LONG_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// What can be done with watches.
#[derive(Debug, Subcommand)]
pub(super) enum WatchCommand {
    /// Watch a branch of a repository elsewhere: each new commit runs as if it were pushed
    Add(AddArgs),
    /// List watches
    List {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// End a watch; its runs go to the trash
    Rm {
        /// The name of the watch
        name: String,
    },
    /// Look at a watched branch now, or at all
    Now {
        /// The name of the watch
        name: Option<String>,
    },
    /// Add the watches of a list: a TOML table `[name]` for each, with `path` and `target_branch`
    Import {
        /// The list
        file: PathBuf,
    },
}

/// A watch to be added.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// https://…, ssh://…, user@host:path, file://…, or an absolute path
    #[arg(allow_hyphen_values = true)]
    url: String,
    /// The branch
    #[arg(allow_hyphen_values = true)]
    branch: String,
    /// What it is called here [default: the last part of the address]
    #[arg(long)]
    name: Option<String>,
    /// The time between two looks [default: 60s]
    #[arg(long, value_name = "TIME")]
    every: Option<String>,
    /// The secret of config.fnl that is shown to the remote, over https
    #[arg(long, value_name = "SECRET")]
    token: Option<String>,
    /// The machine may have a private or loopback address
    #[arg(long)]
    allow_private: bool,
}

impl WatchCommand {
    /// What the command does to the data folder.
    pub(super) fn access(&self) -> Access {
        match self {
            WatchCommand::List { .. } | WatchCommand::Now { .. } => Access::ReadRuns,
            WatchCommand::Add(_) | WatchCommand::Rm { .. } | WatchCommand::Import { .. } => Access::Write,
        }
    }

    /// Whether the command may be the first in a data folder.
    pub(super) fn makes_a_data_folder(&self) -> bool {
        matches!(self, WatchCommand::Add(_) | WatchCommand::Import { .. })
    }
}

pub(super) fn perform(data: &DataDir, command: WatchCommand) -> Ended {
    match command {
        WatchCommand::Add(args) => add(data, &parse(&args)?),
        WatchCommand::Import { file } => import(data, &file),
        WatchCommand::List { json } => list(data, json),
        WatchCommand::Rm { name } => remove(data, &parse_name(&name)?),
        WatchCommand::Now { name } => now(data, name.as_deref().map(parse_name).transpose()?.as_ref()),
    }
}

fn parse_name(text: &str) -> Result<RepoName, Failure> {
    RepoName::parse(text).map_err(|error| {
        Failure::new(Code::Usage, error).hint("a watch is called `name` or `group/name`, as a repository is")
    })
}

/// Checks everything that was said, and tells all that is wrong.
fn parse(args: &AddArgs) -> Result<WatchDecl, Failure> {
    let mut wrong = String::new();
    let mut tell = |message: String, hint: &str| {
        wrong.push_str(&format!("error: {message}\n"));
        if !hint.is_empty() {
            wrong.push_str(&format!("hint: {hint}\n"));
        }
    };
    let url = RemoteUrl::parse(&args.url).map_err(|error| tell(error.to_string(), error.hint)).ok();
    let branch = BranchName::parse(&args.branch).map_err(|error| tell(error.to_string(), "")).ok();
    let last = url.as_ref().map(|url| url.last_part().to_owned());
    let name = args.name.clone().or(last).map(|name| RepoName::parse(&name));
    let name = name.and_then(|name| {
        name.map_err(|error| tell(error.to_string(), "name the watch with --name NAME or --name GROUP/NAME"))
            .ok()
    });
    let every = match args.every.as_deref().map(parse_duration).transpose() {
        Ok(every) => {
            config::check_every(every.unwrap_or(DEFAULT_EVERY)).map_err(|problem| tell(problem, "")).ok()
        }
        Err(error) => {
            tell(error.to_string(), "");
            None
        }
    };
    let token = match args.token.as_deref().map(SecretName::parse).transpose() {
        Ok(token) => Some(token),
        // What was given may be the token itself.
        Err(_) => {
            tell(
                "--token takes the name of a secret, not its value".to_owned(),
                "declare it in :secrets of config.fnl",
            );
            None
        }
    };
    let (Some(name), Some(url), Some(branch), Some(every), Some(token)) = (name, url, branch, every, token)
    else {
        return Err(Failure { code: Code::Usage, text: wrong });
    };
    let watch = WatchDecl { name, url, branch, every, allow_private: args.allow_private, token };
    match watch.mistake() {
        None => Ok(watch),
        Some((problem, hint)) => Err(Failure::new(Code::Usage, problem).hint(hint)),
    }
}

fn add(data: &DataDir, watch: &WatchDecl) -> Ended {
    let settings = settings(data)?;
    let frame = serde_json::to_value(WatchFrame::new(watch)).map_err(|error| Failure::broken(&error))?;
    match ask(data, "/watches", &frame, PATIENCE)? {
        Some(answer) => drop(taken(answer)?),
        None => {
            let (connection, _lock) = alone(data)?;
            add_watch(&connection, data, &settings, (watch, clock::now()))
                .map_err(|error| failure(&error))?;
        }
    }
    if let Some(warning) = watch.warning() {
        eprintln!("warning: {warning}");
    }
    eprintln!("warning: {}", watch_note(&settings));
    print(&format!(
        "{} watches {} of {} every {}\n",
        watch.name,
        watch.branch,
        watch.url,
        shown(watch.every)
    ));
    Ok(Code::Done)
}

fn remove(data: &DataDir, name: &RepoName) -> Ended {
    let settings = settings(data)?;
    match ask(data, "/watches/remove", &json!({ "name": name.as_str() }), PATIENCE)? {
        Some(answer) => drop(taken(answer)?),
        None => {
            let (connection, _lock) = alone(data)?;
            remove_watch(&connection, data, &settings, name).map_err(|error| failure(&error))?;
        }
    }
    print(&format!("{name} is not watched any more; its runs are in the trash\n"));
    Ok(Code::Done)
}

fn now(data: &DataDir, name: Option<&RepoName>) -> Ended {
    let asked = json!({ "name": name.map(RepoName::as_str) });
    let Some(answer) = ask(data, "/watches/now", &asked, LONG_PATIENCE)? else {
        if serves_without_socket(data) {
            return Err(nobody_to_ask(data, name)?);
        }
        return Err(Failure::new(Code::Broken, "the server does not answer")
            .hint("`quire serve` looks at every watch when it starts"));
    };
    let answer = taken(answer)?;
    let looked: Vec<&str> = answer
        .get("looked")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let rows = rows(data)?;
    let rows: Vec<&Row> = rows.iter().filter(|row| looked.contains(&row.watch.name.as_str())).collect();
    print(&rows.iter().map(|row| row.line()).collect::<String>());
    let all_well = rows.iter().all(|row| row.state() == WatchState::Following.as_str());
    Ok(if all_well { Code::Done } else { Code::Failed })
}

/// The server looks by itself, and cannot be asked to do it now.
fn nobody_to_ask(data: &DataDir, name: Option<&RepoName>) -> Result<Failure, Failure> {
    let rows = rows(data)?;
    let found = rows.iter().find(|row| Some(&row.watch.name) == name);
    let often = match (name, found) {
        (Some(name), None) => {
            return Err(failure(&WatchError::NotFound {
                name: name.clone(),
                near: suggest(name.as_str(), rows.iter().map(|row| row.watch.name.as_str()))
                    .map(str::to_owned),
            }));
        }
        (_, Some(row)) => format!("at {} every {}", row.watch.name, shown(row.watch.every)),
        (None, None) => "as often as quire watch list says".to_owned(),
    };
    let problem = "the server of this data folder has no socket to be asked over";
    Ok(Failure::new(Code::Broken, problem).hint(format!(
        "it looks by itself, {often}; or stop it and start it again, which looks at every watch at once"
    )))
}

/// A watch with what is known of it.
struct Row {
    watch: WatchDecl,
    is_declared: bool,
    status: Option<WatchStatus>,
}

fn rows(data: &DataDir) -> Result<Vec<Row>, Failure> {
    let settings = settings(data)?;
    let declared = |watch: &WatchDecl| Row { watch: watch.clone(), is_declared: true, status: None };
    if !data.database().exists() {
        return Ok(settings.watches.iter().map(declared).collect());
    }
    let connection = database(data)?;
    // A database that no server of this version has opened knows of no watches.
    let Ok(watches) = all_watches(&connection, &settings) else {
        return Ok(settings.watches.iter().map(declared).collect());
    };
    let with_status = watches.into_iter().map(|(watch, is_declared)| {
        let status = store::watch_status(&connection, &watch);
        status.map(|status| Row { watch, is_declared, status }).map_err(|error| Failure::broken(&error))
    });
    with_status.collect()
}

fn list(data: &DataDir, as_json: bool) -> Ended {
    let rows = rows(data)?;
    if as_json {
        print_json(&rows.iter().map(Row::json).collect());
    } else {
        note_if_empty(rows.is_empty(), "nothing is watched yet; quire watch add URL BRANCH");
        print(&rows.iter().map(Row::line).collect::<String>());
    }
    Ok(Code::Done)
}

impl Row {
    fn state(&self) -> &str {
        self.status.as_ref().map_or(WatchState::New.as_str(), |status| &status.state)
    }

    /// Two lines, and one more for what is wrong and for a branch that was rewritten.
    fn line(&self) -> String {
        let watch = &self.watch;
        let from = if self.is_declared { ", in config.fnl" } else { "" };
        let mut text = format!(
            "{:<11} {}\n            {} of {} every {}{from}\n",
            self.state(),
            watch.name,
            watch.branch,
            watch.url,
            shown(watch.every)
        );
        if let Some(WatchStatus { error: Some(error), since, .. }) = &self.status {
            text.push_str(&format!("            since {since}: {error}\n"));
        }
        if let Some(at) = self.status.as_ref().and_then(|status| status.rewritten_at) {
            text.push_str(&format!("            rewritten {at}\n"));
        }
        text
    }

    fn json(&self) -> Value {
        let (watch, status) = (&self.watch, self.status.as_ref());
        json!({
            "name": watch.name.as_str(),
            "url": watch.url.as_str(),
            "branch": watch.branch.as_str(),
            "every_ms": u64::try_from(watch.every.as_millis()).unwrap_or(u64::MAX),
            "allow_private": watch.allow_private,
            "token": watch.token.as_ref().map(SecretName::as_str),
            "in_config": self.is_declared,
            "state": self.state(),
            "since": status.map(|status| Timestamp::to_string(&status.since)),
            "error": status.and_then(|status| status.error.clone()),
            "tip": status.and_then(|status| status.tip).map(|tip| tip.to_string()),
            "default_branch": status.and_then(|status| status.default_branch.clone()),
            "rewritten_at": status.and_then(|status| status.rewritten_at).map(|at| at.to_string()),
        })
    }
}

/// A time as it is written: `60s`, `5m`, `2h`.
fn shown(time: Duration) -> String {
    let secs = time.as_secs();
    match () {
        () if time.subsec_millis() > 0 => format!("{}ms", time.as_millis()),
        () if secs.is_multiple_of(3600) => format!("{}h", secs / 3600),
        () if secs.is_multiple_of(60) && secs > 60 => format!("{}m", secs / 60),
        () => format!("{secs}s"),
    }
}

pub(super) fn settings(data: &DataDir) -> Result<Settings, Failure> {
    config::load(&data.config()).map_err(|error| match error {
        ConfigError::Wrong(wrong) => Failure::mistakes(&wrong),
        ConfigError::Read { .. } => Failure::broken(&error),
    })
}

/// Asks the server; nothing when there is none.
pub(super) fn ask(
    data: &DataDir,
    target: &str,
    body: &Value,
    patience: Duration,
) -> Result<Option<(u16, Value)>, Failure> {
    let body = body.to_string();
    let Ok(answer) = http_client::request(&data.socket(), "POST", target, body.as_bytes(), patience) else {
        return Ok(None);
    };
    let status = answer.status;
    let text = answer.read(MAX_ANSWER).map_err(|error| Failure::broken(&error))?;
    Ok(Some((status, serde_json::from_slice(&text).unwrap_or(Value::Null))))
}

/// The answer of a server that did what it was asked.
pub(super) fn taken((status, value): (u16, Value)) -> Result<Value, Failure> {
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let code = match status {
        400 => Code::Usage,
        404 => Code::NotFound,
        409 => Code::Failed,
        _ => Code::Broken,
    };
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let refused = Failure::new(code, text("error").unwrap_or("the server refused without a reason"));
    Err(match text("hint") {
        Some(hint) => refused.hint(hint),
        None => refused,
    })
}

pub(super) fn failure(error: &WatchError) -> Failure {
    let code = match error {
        WatchError::Exists(_) | WatchError::InConfig(_) | WatchError::TooMany | WatchError::Copy(_) => {
            Code::Failed
        }
        WatchError::NotFound { .. } => Code::NotFound,
        WatchError::NoSecret(_) => Code::Usage,
        WatchError::Store(_) => Code::Broken,
    };
    let failure = Failure::new(code, chain(error));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
