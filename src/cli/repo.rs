//! `quire repo …`: repositories, with or without a server.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::access::Access;
use super::actor::own_actor;
use super::ask::{in_folder, perform as server};
use super::exit::{Code, Ended, Failure, print, print_error, print_json};
use super::place::note_if_empty;
use crate::app::{self, AdoptRepo, DescribeRepo, ListRepos, ListedRepos};
use crate::config::DataDir;
use crate::model::{BranchName, RepoName};
use crate::view::one_line;

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
    /// Set the branch that clones check out
    DefaultBranch {
        /// name or group/name
        name: String,
        /// A branch of the repository
        branch: String,
    },
    /// Say what a repository is, in a line
    Describe {
        /// name or group/name
        name: String,
        /// The line; an empty one removes it
        text: String,
    },
    /// Say who may see a repository: everybody, who knows its name, or who was given it
    Visibility {
        /// name or group/name
        name: String,
        /// public, unlisted or private
        visibility: String,
        /// The same for the logs of its runs
        #[arg(long, value_name = "VISIBILITY")]
        logs: Option<String>,
    },
    /// Give a repository another name; its runs follow
    Rename {
        /// name or group/name
        name: String,
        /// The new one
        to: String,
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
            Self::List { json: false } => Access::ReadRepositories,
            // Descriptions and runs are in the database.
            Self::List { json: true } => Access::ReadRuns,
            Self::New { .. }
            | Self::Adopt { .. }
            | Self::DefaultBranch { .. }
            | Self::Describe { .. }
            | Self::Visibility { .. }
            | Self::Rename { .. }
            | Self::Rm { .. }
            | Self::Restore { .. } => Access::Write,
        }
    }

    /// Whether the command makes a repository, and the data folder with it.
    pub(super) fn makes_a_repository(&self) -> bool {
        matches!(self, Self::New { .. } | Self::Adopt { .. })
    }
}

pub(super) fn perform(data: &DataDir, command: RepoCommand) -> Ended {
    match command {
        RepoCommand::New { name } => {
            let (name, binary) = (parse(&name)?, binary()?);
            let path = in_folder(data, async |app| app::new_repo(app, &name, &binary))?;
            print(&format!("{}\n", path.display()));
        }
        RepoCommand::Adopt { repository, name } => adopt(data, &repository, name.as_deref())?,
        RepoCommand::List { json: true } => list_as_json(data)?,
        RepoCommand::List { json: false } => list(data)?,
        RepoCommand::DefaultBranch { name, branch } => {
            let name = parse(&name)?;
            let branch = BranchName::parse(&branch).map_err(|error| Failure::new(Code::Usage, error))?;
            in_folder(data, async |app| app::set_default_branch(app, &name, &branch))?;
            print(&format!("the default branch of {name} is {}\n", branch.as_str()));
        }
        RepoCommand::Describe { name, text } => {
            let description = Some(text);
            let (visibility, log_visibility) = (None, None);
            let by = own_actor();
            server(data, DescribeRepo { name: name.clone(), description, visibility, log_visibility, by })?;
            print(&format!("{name} is described\n"));
        }
        RepoCommand::Visibility { name, visibility, logs } => {
            let shown = visibility_line(&name, &visibility, logs.as_deref());
            let (description, visibility, log_visibility) = (None, Some(visibility), logs);
            let by = own_actor();
            server(data, DescribeRepo { name, description, visibility, log_visibility, by })?;
            print(&shown);
        }
        RepoCommand::Rename { name, to } => {
            let (name, to) = (parse(&name)?, parse(&to)?);
            let path = in_folder(data, async |app| app::rename_repo(app, &name, &to))?;
            print(&format!("{name} is {to} now: {}\n", path.display()));
        }
        RepoCommand::Rm { name } => {
            let name = parse(&name)?;
            let path = in_folder(data, async |app| app::remove_repo(app, &name))?;
            print(&format!("{name} is in the trash: {}\n", path.display()));
        }
        RepoCommand::Restore { name } => {
            let name = parse(&name)?;
            let path = in_folder(data, async |app| app::restore_repo(app, &name))?;
            print(&format!("{}\n", path.display()));
        }
    }
    Ok(Code::Done)
}

/// `site is private, its logs are private`.
pub(super) fn visibility_line(name: &str, visibility: &str, logs: Option<&str>) -> String {
    let logs = logs.map(|logs| format!(", its logs are {logs}")).unwrap_or_default();
    format!("{} is {visibility}{logs}\n", one_line(name))
}

fn parse(text: &str) -> Result<RepoName, Failure> {
    RepoName::parse(text).map_err(|error| {
        Failure::new(Code::Usage, error)
            .hint("a repository's name is `name` or `group/name`, with or without `.git`")
    })
}

/// This program, which hooks lead to.
fn binary() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| Failure::broken(&error))
}

fn adopt(data: &DataDir, repository: &str, name: Option<&str>) -> Result<(), Failure> {
    let path = std::path::absolute(repository).map_err(|error| Failure::broken(&error))?;
    let which = match (name, data.repo_name(&path)) {
        (Some(name), _) => AdoptRepo::From(path, parse(name)?),
        (None, Some(name)) => AdoptRepo::InPlace(name),
        (None, None) if Path::new(repository).is_absolute() && !path.exists() => {
            return Err(Failure::not_found(format!("{repository} does not exist")));
        }
        (None, None) if repository.starts_with('.') => {
            let hint = "adopt takes a bare repository: `git clone --bare . /srv/NAME.git`, then `quire repo adopt /srv/NAME.git NAME`";
            return Err(Failure::new(
                Code::Usage,
                format!("{} is not below {}", path.display(), data.repos().display()),
            )
            .hint(hint));
        }
        (None, None) if Path::new(repository).is_absolute() => {
            let message = format!("{repository} is not below {}", data.repos().display());
            let hint = format!("quire repo adopt {repository} NAME");
            return Err(Failure::new(Code::Usage, message).hint(hint));
        }
        (None, None) => AdoptRepo::InPlace(parse(repository)?),
    };
    let binary = binary()?;
    let (path, adopted) = in_folder(data, async |app| app::adopt_repo(app, &which, &binary))?;
    for warning in &adopted.warnings {
        print_error(&format!("warning: {warning}\n"));
    }
    let refs = if adopted.refs == 1 { "1 ref".to_owned() } else { format!("{} refs", adopted.refs) };
    print(&format!("{} ({refs} taken as seen)\n", path.display()));
    Ok(())
}

fn list_as_json(data: &DataDir) -> Result<(), Failure> {
    let ListedRepos { repos, warnings } = server(data, ListRepos {})?;
    for warning in &warnings {
        print_error(&format!("warning: {warning}\n"));
    }
    print_json(&json!(repos));
    Ok(())
}

fn list(data: &DataDir) -> Result<(), Failure> {
    let listed = in_folder(data, async |app| app::list_repos(app))?;
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
