//! `quire repo …`: repositories, with or without a server.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::access::Access;
use super::exit::{Code, Ended, Failure, print, print_json};
use super::place::note_if_empty;
use crate::app::recorded_names;
use crate::config::DataDir;
use crate::forge::{self, RepoError};
use crate::model::RepoName;

/// What can be done with repositories. A name is `name` or `group/name`, with or without `.git`.
#[derive(Debug, Subcommand)]
pub(super) enum RepoCommand {
    /// Make an empty repository
    New {
        /// name or group/name
        name: String,
    },
    /// Take over a bare repository as it is; nothing that is in it already is run
    Adopt {
        /// A name below repos/, or the path of a bare repository, which is moved there
        repository: String,
        /// The name that a moved repository gets
        name: Option<String>,
    },
    /// List repositories
    List {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Move a repository and its runs to the trash
    Rm {
        /// name or group/name
        name: String,
    },
    /// Bring a removed repository back
    Restore {
        /// name or group/name
        name: String,
    },
}

impl RepoCommand {
    /// What the command does to the data folder.
    pub(super) fn access(&self) -> Access {
        match self {
            RepoCommand::List { .. } => Access::ReadRepositories,
            RepoCommand::New { .. }
            | RepoCommand::Adopt { .. }
            | RepoCommand::Rm { .. }
            | RepoCommand::Restore { .. } => Access::Write,
        }
    }

    /// Whether the command makes a repository, and the data folder with it.
    pub(super) fn makes_a_repository(&self) -> bool {
        matches!(self, RepoCommand::New { .. } | RepoCommand::Adopt { .. })
    }
}

pub(super) fn perform(data: &DataDir, command: RepoCommand) -> Ended {
    match command {
        RepoCommand::New { name } => {
            let name = parse(&name)?;
            prepare(data)?;
            forge::new_repo(data.path(), &name).map_err(|error| failure(&error))?;
            print(&format!("{}\n", data.repo(&name).display()));
        }
        RepoCommand::Adopt { repository, name } => adopt(data, &repository, name.as_deref())?,
        RepoCommand::List { json } => list(data, json)?,
        RepoCommand::Rm { name } => {
            let removed = forge::remove_repo(data.path(), &parse(&name)?).map_err(|error| failure(&error))?;
            print(&format!("{} is in the trash: {}\n", removed.name, removed.path.display()));
        }
        RepoCommand::Restore { name } => {
            let restored =
                forge::restore_repo(data.path(), &parse(&name)?).map_err(|error| failure(&error))?;
            print(&format!("{}\n", data.repo(&restored.name).display()));
        }
    }
    Ok(Code::Done)
}

fn parse(text: &str) -> Result<RepoName, Failure> {
    RepoName::parse(text).map_err(|error| {
        Failure::new(Code::Usage, error)
            .hint("a repository is called `name` or `group/name`, with or without `.git`")
    })
}

fn failure(error: &RepoError) -> Failure {
    let code = match error {
        RepoError::NotFound(_) | RepoError::NotInTrash { .. } => Code::NotFound,
        RepoError::Read { .. }
        | RepoError::Write { .. }
        | RepoError::Init { .. }
        | RepoError::Config { .. }
        | RepoError::Refs { .. }
        | RepoError::Damaged { .. }
        | RepoError::RelativeBinary { .. } => Code::Broken,
        RepoError::Exists(_)
        | RepoError::Watched(_)
        | RepoError::Format { .. }
        | RepoError::OwnHooks { .. }
        | RepoError::OtherFileSystem { .. }
        | RepoError::NotBare { .. }
        | RepoError::Overridden { .. }
        | RepoError::CaseCollision { .. }
        | RepoError::SymbolicLink { .. }
        | RepoError::AlreadyAdopted(_) => Code::Failed,
    };
    let failure = Failure::new(code, crate::model::chain(error));
    match error.help() {
        Some(help) => failure.hint(help),
        None => failure,
    }
}

/// Makes the hooks that a repository needs.
fn prepare(data: &DataDir) -> Result<(), Failure> {
    let binary = std::env::current_exe().map_err(|error| Failure::broken(&error))?;
    forge::install_hooks(data.path(), &binary).map_err(|error| failure(&error))
}

fn adopt(data: &DataDir, repository: &str, name: Option<&str>) -> Result<(), Failure> {
    let path = PathBuf::from(repository);
    let adopted = match name {
        Some(name) => {
            let name = parse(name)?;
            prepare(data)?;
            let path = absolute(&path)?;
            forge::adopt_from(data.path(), &path, &name).map(|adopted| (name, adopted))
        }
        None => {
            let name = match data.repo_name(&absolute(&path)?) {
                Some(name) => name,
                None if path.is_absolute() => {
                    let hint = format!("quire repo adopt {repository} NAME");
                    let message = format!("{repository} is not below {}", data.repos().display());
                    return Err(Failure::new(Code::Usage, message).hint(hint));
                }
                None => parse(repository)?,
            };
            prepare(data)?;
            forge::adopt_in_place(data.path(), &name, &recorded_names(data)).map(|adopted| (name, adopted))
        }
    };
    let (name, adopted) = adopted.map_err(|error| failure(&error))?;
    for warning in &adopted.warnings {
        eprintln!("warning: {warning}");
    }
    let refs = if adopted.refs == 1 { "1 ref".to_owned() } else { format!("{} refs", adopted.refs) };
    print(&format!("{} ({refs} taken as seen)\n", data.repo(&name).display()));
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::broken(&error))
}

fn list(data: &DataDir, as_json: bool) -> Result<(), Failure> {
    let listed = forge::list_repos(data.path(), &recorded_names(data)).map_err(|error| failure(&error))?;
    if as_json {
        let repo = |repo: &forge::Listed| {
            json!({
                "name": repo.name.as_str(),
                "id": repo.id.map(|id| id.to_string()),
                "default_branch": repo.default_branch.as_ref().map(ToString::to_string),
                "problems": repo.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        };
        print_json(&listed.iter().map(repo).collect());
        return Ok(());
    }
    note_if_empty(listed.is_empty(), "no repositories yet; quire repo new NAME");
    let mut out = String::new();
    for repo in &listed {
        out.push_str(&format!("{}\n", repo.name));
        for problem in &repo.problems {
            out.push_str(&format!("  warning: {problem}\n"));
        }
    }
    print(&out);
    Ok(())
}
