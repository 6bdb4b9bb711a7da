//! Commands of quire that come over ssh: which ones can, and with whose rights.

use std::path::PathBuf;

use clap::{CommandFactory, Parser};

use super::args::{self, Cli, Command, HELP};
use super::declared::{Asked, Asker};
use super::exec::Who;
use super::exit::{Code, Ended, Failure};
use super::jobs::JobWords;
use super::usage_error::usage_error;
use super::{actor, declared, notify, remote, repo, watch};
use crate::app::PlanRun;
use crate::config::DataDir;

/// The header of the Unix socket that says for whom a command asks.
const VISITOR: &str = "quire-visitor";

/// Does a command of quire that has come over ssh: with the rights of the account when there are no users, otherwise by asking
/// the server in the user's name. What has no route there is for whoever administers everything.
pub(super) fn perform(words: &[String], data: &DataDir, who: &Who) -> Ended {
    if let Who::User(_, user) = who
        && user.is_limited
    {
        let text = format!("this is a deploy key of {}, which is for git only", user.name);
        return Err(Failure::new(Code::Usage, text));
    }
    let (call, words) = match asked(words, data, who)? {
        Asked::Other => (None, words.to_vec()),
        Asked::Call(call) => (Some((call.is_plan, call.arguments)), call.words),
        Asked::Help => return Ok(Code::Done),
        Asked::Ended(code) => return Ok(code),
    };
    let parsed = Cli::try_parse_from(["quire"].into_iter().chain(words.iter().map(String::as_str)));
    let cli = match parsed {
        Ok(cli) => args::with_arguments(cli, call),
        Err(error) if !error.use_stderr() || error.kind() == HELP => {
            let _gone = error.print().is_err();
            return Ok(if error.use_stderr() { Code::Usage } else { Code::Done });
        }
        Err(error) => return Err(usage_error(&error, &Cli::command(), &words)),
    };
    let is_here = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path == data.path());
    if cli.server.is_some() || cli.data.as_ref().is_some_and(|path| !is_here(path)) {
        return Err(Failure::new(
            Code::Usage,
            "over ssh there is one data folder: leave out --data and --server",
        ));
    }
    let Some(command) = cli.command else {
        return Err(Failure::new(Code::Usage, "no command given").hint("quire --help lists the commands"));
    };
    let reach = reach_over_ssh(&command)?;
    match who {
        Who::User(visitor, user) => {
            actor::act_as(format!("user:{}", user.name));
            match reach {
                Reach::Server => return remote::perform_here(data, (VISITOR, visitor.to_header()), command),
                Reach::Operator if !user.is_admin => {
                    let text = format!("this command is for operators, and {} is none", user.name);
                    return Err(Failure::new(Code::Failed, text).hint(
                        "an operator has a rule with :repos [\"*\"] and :may :admin in :access of config.fnl",
                    ));
                }
                Reach::Operator => {}
            }
        }
        Who::Account => {}
    }
    args::perform(Cli {
        data: Some(data.path().to_owned()),
        server: None,
        licenses: false,
        command: Some(command),
    })
}

/// Takes the arguments that jobs of a repository declare out of the words. Job folders are not looked for: they would be those
/// of the server's machine.
fn asked(words: &[String], data: &DataDir, who: &Who) -> Result<Asked, Failure> {
    let root = Cli::command();
    let known = args::run_options(&root);
    match JobWords::parse(words, &known) {
        // They are refused once the command is known.
        Some(words) if ["server", "data"].iter().any(|name| words.options.value(name).is_some()) => {
            Ok(Asked::Other)
        }
        Some(words) => {
            let plan = |request: PlanRun| match who {
                Who::User(visitor, _) => remote::planned_here(data, (VISITOR, visitor.to_header()), &request),
                Who::Account => declared::planned_in(data.clone(), request),
            };
            declared::read(&root, words, &known, &Asker::OverSsh(&plan))
        }
        None => Ok(Asked::Other),
    }
}

/// How far a command reaches that has come over ssh.
enum Reach {
    /// The server does it, and judges who asks.
    Server,
    /// It works on the data folder itself.
    Operator,
}

/// Whether a command can be given over ssh. One that reads or runs files of the server's machine cannot.
fn reach_over_ssh(command: &Command) -> Result<Reach, Failure> {
    let refused = |what: &str| {
        Err(Failure::new(Code::Usage, format!("{what} cannot be given over ssh"))
            .hint("whoever operates the server gives it there"))
    };
    match command {
        Command::Repo(repo::RepoCommand::Restore { .. }) => Ok(Reach::Operator),
        Command::Repo(repo::RepoCommand::Adopt { repository, .. })
            if repository.contains("..") || repository.starts_with(['/', '.']) =>
        {
            refused("the path of a repository")
        }
        Command::Repo(repo::RepoCommand::Adopt { .. }) => Ok(Reach::Operator),
        Command::Watch(watch::WatchCommand::Import { .. }) => refused("quire watch import"),
        Command::Notify(notify::NotifyCommand::Test { .. }) => Ok(Reach::Operator),
        Command::Artifacts(args) if args.writes_a_file() => {
            Err(Failure::new(Code::Usage, "a file of the server's machine is not written over ssh")
                .hint("ssh HOST quire artifacts RUN PATH > FILE"))
        }
        Command::Key(key) if key.reads_a_file() => {
            Err(Failure::new(Code::Usage, "a file of the server's machine is not read over ssh")
                .hint("ssh HOST quire key add USER - < id_ed25519.pub"))
        }
        Command::Repo(_)
        | Command::Watch(_)
        | Command::Source(_)
        | Command::Notify(_)
        | Command::Runs { .. }
        | Command::Show { .. }
        | Command::Logs { .. }
        | Command::Artifacts(_)
        | Command::Wait { .. }
        | Command::Cancel { .. }
        | Command::Rerun { .. }
        | Command::Run(_)
        | Command::Jobs { .. }
        | Command::Token(_)
        | Command::Audit(_) => Ok(Reach::Server),
        Command::User(_)
        | Command::Key(_)
        | Command::Access(_)
        | Command::Login
        | Command::Doctor { reset_caches: false, reindex: false, .. } => Ok(Reach::Operator),
        Command::Serve { .. }
        | Command::Plan { .. }
        | Command::Ci(_)
        | Command::Doctor { .. }
        | Command::Service(_)
        | Command::Completion { .. }
        | Command::Exec(_)
        | Command::Runner => refused("this command"),
    }
}
