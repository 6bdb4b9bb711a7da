//! `quire watch …`: branches of repositories elsewhere, with or without a server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::access::Access;
use super::ask::{here, perform as ask};
use super::exit::{Code, Ended, Failure, print, print_error, print_json};
use super::place::note_if_empty;
use super::watch_import::import;
use crate::app::{
    AddWatches, LookNow, NamedWatches, RemoveWatch, WatchFrame, WatchShape, WatchView, every_text,
    list_watches,
};
use crate::config::{self, DEFAULT_EVERY, DataDir, SshKey, WatchDecl, WatchRuns, is_same, name_with_branch};
use crate::model::{BranchName, RemoteUrl, RepoName, SecretName, parse_duration};

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
    /// The private key for an ssh remote
    #[arg(long, value_name = "PATH")]
    ssh_key: Option<String>,
    /// Record what the branch is now, and run what changes
    #[arg(long)]
    no_first_run: bool,
    /// Keep the working folder for the next run, with a repository in it
    #[arg(long)]
    keep_workspace: bool,
    /// A newer commit waits for the run before it
    #[arg(long)]
    not_interruptible: bool,
}

impl AddArgs {
    /// The body of the request over HTTP, which takes the address, the branch, the name and the time.
    pub(super) fn body(&self) -> Result<Value, Failure> {
        let watch = parse(self)?;
        let is_plain = watch.token.is_none()
            && watch.ssh_key.is_none()
            && !watch.allow_private
            && watch.first_run
            && watch.runs == WatchRuns::default();
        if !is_plain {
            let text = "with --server, quire watch add takes --name and --every only";
            return Err(Failure::new(Code::Usage, text).hint("use ssh HOST quire watch add …"));
        }
        Ok(json!({
            "name": watch.name.as_str(),
            "url": watch.url.as_str(),
            "branch": watch.branch.as_str(),
            "every_s": watch.every.as_secs(),
        }))
    }
}

impl WatchCommand {
    /// What the command does to the data folder.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::List { .. } | Self::Now { .. } => Access::ReadRuns,
            Self::Add(_) | Self::Rm { .. } | Self::Import { .. } => Access::Write,
        }
    }

    /// Whether the command may be the first in a data folder.
    pub(super) fn makes_a_data_folder(&self) -> bool {
        matches!(self, Self::Add(_) | Self::Import { .. })
    }
}

pub(super) fn perform(data: &DataDir, command: WatchCommand) -> Ended {
    match command {
        WatchCommand::Add(args) => {
            let watch = parse(&args)?;
            add(data, &if args.name.is_none() { with_free_name(data, watch)? } else { watch })
        }
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

/// Checks all arguments, and reports all mistakes.
fn parse(args: &AddArgs) -> Result<WatchDecl, Failure> {
    let mut wrong = String::new();
    let mut report = |message: String, hint: &str| {
        wrong.push_str(&format!("error: {message}\n"));
        if !hint.is_empty() {
            wrong.push_str(&format!("hint: {hint}\n"));
        }
    };
    let url = RemoteUrl::parse(&args.url).map_err(|error| report(error.to_string(), error.hint)).ok();
    let branch = BranchName::parse(&args.branch).map_err(|error| report(error.to_string(), "")).ok();
    let last = url.as_ref().map(|url| url.last_part().to_owned());
    let name = args.name.clone().or(last).map(|name| RepoName::parse(&name));
    let name = name.and_then(|name| {
        name.map_err(|error| {
            report(error.to_string(), "name the watch with --name NAME or --name GROUP/NAME");
        })
        .ok()
    });
    let every = match args.every.as_deref().map(parse_duration).transpose() {
        Ok(every) => {
            config::check_every(every.unwrap_or(DEFAULT_EVERY)).map_err(|problem| report(problem, "")).ok()
        }
        Err(error) => {
            report(error.to_string(), "");
            None
        }
    };
    let token = match args.token.as_deref().map(SecretName::parse).transpose() {
        Ok(token) => Some(token),
        // What was given may be the token itself.
        Err(_) => {
            report(
                "--token takes the name of a secret, not its value".to_owned(),
                "declare it in :secrets of config.fnl",
            );
            None
        }
    };
    let ssh_key = args.ssh_key.as_deref().map(SshKey::parse).transpose();
    let ssh_key = ssh_key.map_err(|error| report(error.to_string(), "")).ok();
    let (Some(name), Some(url), Some(branch), Some(every), Some(token), Some(ssh_key)) =
        (name, url, branch, every, token, ssh_key)
    else {
        return Err(Failure { code: Code::Usage, text: wrong });
    };
    let runs = WatchRuns { keeps_workspace: args.keep_workspace, interruptible: !args.not_interruptible };
    let watch = WatchDecl {
        name,
        url,
        branch,
        every,
        allow_private: args.allow_private,
        token,
        ssh_key,
        credential_helper: None,
        first_run: !args.no_first_run,
        runs,
    };
    match watch.mistake() {
        None => Ok(watch),
        Some((problem, hint)) => Err(Failure::new(Code::Usage, problem).hint(hint)),
    }
}

/// Another branch of a repository that is watched gets the name of the branch as well.
fn with_free_name(data: &DataDir, watch: WatchDecl) -> Result<WatchDecl, Failure> {
    let views = here(data, list_watches)?;
    let there = views.iter().find(|view| is_same(&view.watch.name, &watch.name)).map(|view| &view.watch);
    let is_another = there.is_some_and(|there| there.url == watch.url && there.branch != watch.branch);
    let name = is_another.then(|| name_with_branch(&watch.name, &watch.branch)).flatten();
    Ok(match name {
        Some(name) => WatchDecl { name, ..watch },
        None => watch,
    })
}

fn add(data: &DataDir, watch: &WatchDecl) -> Ended {
    let NamedWatches { warnings, .. } = ask(data, AddWatches { watches: vec![WatchFrame::new(watch)] })?;
    warn(&warnings);
    print(&format!(
        "{} watches {} of {} every {}; {}\n",
        watch.name,
        watch.branch,
        watch.url,
        every_text(watch.every),
        if watch.first_run { "the current commit runs first" } else { "the next commit runs" }
    ));
    Ok(Code::Done)
}

pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
        print_error(&format!("warning: {warning}\n"));
    }
}

fn remove(data: &DataDir, name: &RepoName) -> Ended {
    ask(data, RemoveWatch { name: name.to_string() })?;
    print(&format!("{name} is not watched any more; its runs are in the trash\n"));
    Ok(Code::Done)
}

fn now(data: &DataDir, name: Option<&RepoName>) -> Ended {
    let NamedWatches { names, .. } = ask(data, LookNow { name: name.map(ToString::to_string) })?;
    let mut views = here(data, list_watches)?;
    views.retain(|view| names.iter().any(|name| *name == view.watch.name.as_str()));
    print(&views.iter().map(line).collect::<String>());
    Ok(if views.iter().all(WatchView::is_following) { Code::Done } else { Code::Failed })
}

fn list(data: &DataDir, as_json: bool) -> Ended {
    let views = here(data, list_watches)?;
    if as_json {
        print_json(&json!(views.iter().map(WatchShape::of).collect::<Vec<_>>()));
    } else {
        note_if_empty(views.is_empty(), "nothing is watched yet; quire watch add URL BRANCH");
        print(&views.iter().map(line).collect::<String>());
    }
    Ok(Code::Done)
}

/// Two lines, and one more for what is wrong and for a branch that was rewritten.
fn line(view: &WatchView) -> String {
    let WatchView { watch, is_declared, status } = view;
    let from = if *is_declared { ", in config.fnl" } else { "" };
    let mut text = format!(
        "{:<11} {}\n            {} of {} every {}{from}\n",
        view.state(),
        watch.name,
        watch.branch,
        watch.url,
        every_text(watch.every)
    );
    let Some(status) = status else { return text };
    if let Some(error) = &status.error {
        text.push_str(&format!("            since {}: {error}\n", status.since));
    }
    if let Some(at) = status.rewritten_at {
        text.push_str(&format!("            rewritten {at}\n"));
    }
    text
}
