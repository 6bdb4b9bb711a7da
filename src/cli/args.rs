//! The arguments, and which command they mean.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use serde_json::{Map, Value};

use crate::config::DataDir;
use crate::executor;
use crate::run::{PLANNER, plan_from_input};
use crate::sources::SourceRules;

use super::access::Access;
use super::declared::{Asked, Asker};
use super::exit::{Code, Ended, Failure, print_error, with_output};
use super::jobs::JobOption;
use super::run_filter::RunFilterArgs;
use super::usage_error::usage_error;
use super::{
    access_check, artifacts, audit, ci, ci_plan, ci_run, completion, declared, doctor, exec, follow, jobs,
    key, licenses, login, logs, notify, ops, place, reindex, remote, repo, reset_caches, runs, serve,
    service, source, start, token, user, watch,
};

/// Help that is printed because nothing was asked for.
pub(super) const HELP: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;

/// A git forge in one binary that runs .quire/ci.fnl on every push.
#[derive(Debug, Parser)]
#[command(name = "quire", version, max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Cli {
    /// The data folder [default: $QUIRE_DATA, otherwise /var/quire when it exists, otherwise the XDG data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Ask the server at this address instead, with the token in the variable QUIRE_TOKEN
    #[arg(long, global = true, value_name = "URL", conflicts_with = "data")]
    pub(super) server: Option<String>,
    /// Show the licences of what quire is built from
    #[arg(long)]
    pub(super) licenses: bool,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the repositories of a data folder
    Serve(ServeArgs),
    /// Make, adopt, list, remove and restore repositories
    #[command(subcommand)]
    Repo(repo::RepoCommand),
    /// Watch branches of repositories elsewhere
    #[command(subcommand)]
    Watch(watch::WatchCommand),
    /// Add, list, show and remove sources of jobs: folders, git repositories and images
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// Check or run the pipeline of a working copy, without a server
    #[command(subcommand)]
    Ci(CiCommand),
    /// Run a job folder, or start the jobs of a commit that need :quire/manual
    Run(start::StartArgs),
    /// List the job folders below ./scripts, and the jobs of repositories that `quire run` starts
    Jobs {
        /// Only those of this repository
        repo: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what a run of a job folder would do; nothing is run
    Plan {
        /// The job, as `quire jobs` lists it, with its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// List runs, newest first
    Runs {
        #[command(flatten)]
        filter: RunFilterArgs,
        /// Print what happens to runs from now on instead, a line for each that is queued, starts or ends
        #[arg(short, long)]
        follow: bool,
        /// As a JSON array; with --follow one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show a run with its jobs and steps
    Show {
        /// foo#41, the id of the run, or foo for its latest run
        run: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the output of a run
    Logs {
        /// foo#41, the id of the run, or foo for its latest run
        run: String,
        /// Only this job
        job: Option<String>,
        /// Continue until the run has ended
        #[arg(short, long)]
        follow: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// List the files that a run has kept, or print one of them
    Artifacts(artifacts::ArtifactArgs),
    /// Wait until a run has ended; the exit code is its verdict
    Wait {
        /// foo#41, the id of the run, or foo for its latest run
        run: String,
        /// Print the run as JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop a run
    Cancel {
        /// foo#41, or the id of the run
        run: String,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Run the same commit once more, or a part of its jobs
    Rerun {
        /// foo#41, or the id of the run
        run: String,
        #[command(flatten)]
        part: ops::RerunPart,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what this machine can do for quire and what not; exits 1 when there are problems
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Empty cache/ and nothing else; a server that runs starts again
        #[arg(long, conflicts_with = "json")]
        reset_caches: bool,
        /// Fill the index of runs, jobs and steps anew from the journals; no server may run
        #[arg(long, conflicts_with_all = ["json", "reset_caches"])]
        reindex: bool,
    },
    /// Install quire as a systemd service
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Show which notifications were sent; test a target
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// Make, list and revoke tokens, which programs and people use over HTTP
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Add, list and remove users, who come over ssh
    #[command(subcommand)]
    User(user::UserCommand),
    /// Add, list and remove the ssh keys of users
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Say what the operator's rules allow somebody
    #[command(subcommand)]
    Access(access_check::AccessCommand),
    /// Do what a client asks for over ssh; called by sshd, see docs/access.md
    Exec(exec::ExecArgs),
    /// List who did what, newest first
    Audit(audit::AuditArgs),
    /// Print a link that signs a browser in, once and within 5 minutes
    Login,
    /// Print a script that makes a shell complete commands, repositories, runs and jobs
    Completion {
        /// bash, fish, powershell or zsh
        shell: String,
    },
    /// Lead one run; started by `quire serve`
    #[command(hide = true)]
    Runner,
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where to answer over TCP, or "none" [default: :http :bind of config.fnl, otherwise 127.0.0.1:7878]
    #[arg(long, value_name = "ADDR:PORT|none")]
    bind: Option<String>,
    /// How far containers may open themselves to this machine: secure, permissive or disabled [default: :policy
    /// :profile of config.fnl, otherwise secure]; the variable QUIRE_PROFILE takes precedence
    #[arg(long)]
    profile: Option<String>,
    /// Open no Unix socket either: hooks leave pushes in the spool, and the server finds them there
    #[arg(long)]
    no_socket: bool,
    /// A folder that sources of jobs may be in, in addition to `scripts`; may be given several times
    #[arg(long, value_name = "DIR")]
    allow_local_root: Vec<PathBuf>,
    /// A machine that git sources of jobs may be on; may be given several times
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_git_host: Vec<String>,
    /// How the log is written: text or json, a line for each event
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum CiCommand {
    /// Check the pipeline of a working copy and print its jobs
    Check {
        /// The working copy
        #[arg(default_value = ".")]
        path: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say which jobs an event would start, which not, and why; nothing is run
    Plan {
        /// The working copy
        #[arg(default_value = ".")]
        path: PathBuf,
        /// What happens: push, or manual
        #[arg(long, default_value = "push")]
        event: ci_plan::PlannedEvent,
        /// With --event manual: the one root job that is started
        #[arg(long, value_name = "ID")]
        job: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Run the pipeline on the files as they are now
    Run {
        /// The working copy
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Print all output as it comes
        #[arg(short, long)]
        verbose: bool,
        /// Print the run as JSON when it has ended
        #[arg(long)]
        json: bool,
        /// How far containers may open themselves to this machine: secure, permissive or disabled
        #[arg(long)]
        profile: Option<String>,
    },
}

/// Reads the arguments, does what they say, and returns the exit code.
pub fn run() -> ExitCode {
    // A runner waits ahead of time: it does without what only people need.
    if std::env::args_os().nth(1).is_some_and(|word| word == "runner") {
        return leave(serve::runner());
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == PLANNER) {
        let planned = plan_from_input();
        return leave(planned.map(|()| Code::Done).map_err(|error| Failure::broken(&error)));
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == executor::WORD) {
        let led = executor::lead_inside(std::env::args_os().skip(2));
        return leave(led.map(|()| Code::Done).map_err(|error| Failure::broken(&error)));
    }
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(words) = words.strip_prefix(&[completion::WORD.to_owned()]) {
        return leave(complete(words));
    }
    let (call, words) = match asked(&words) {
        Ok(Asked::Other) => (None, words),
        Ok(Asked::Call(call)) => (Some((call.is_plan, call.arguments)), call.words),
        Ok(Asked::Help) => return ExitCode::from(Code::Done as u8),
        Ok(Asked::Ended(code)) => return leave(Ok(code)),
        Err(failure) => return leave(Err(failure)),
    };
    let parsed = match &call {
        Some(_) => Cli::try_parse_from(["quire".to_owned()].iter().chain(&words)),
        // With words that are not UTF-8.
        None => Cli::try_parse(),
    };
    let cli = match parsed {
        Ok(cli) => cli,
        // Help and version.
        Err(error) if !error.use_stderr() || error.kind() == HELP => {
            let _gone = error.print().is_err();
            return ExitCode::from(if error.use_stderr() { Code::Usage as u8 } else { Code::Done as u8 });
        }
        Err(error) => return leave(Err(usage_error(&error, &Cli::command(), &words))),
    };
    leave(perform(with_arguments(cli, call)))
}

/// What the words mean for jobs: folders take precedence over repositories.
fn asked(words: &[String]) -> Result<Asked, Failure> {
    if !words.iter().any(|word| word == "run" || word == "plan") {
        return Ok(Asked::Other);
    }
    let root = Cli::command();
    let known = run_options(&root);
    let Some(words) = jobs::JobWords::parse(words, &known) else { return Ok(Asked::Other) };
    match jobs::intercept(&words) {
        Some(ended) => ended.map(Asked::Ended),
        None => declared::read(&root, words, &known, &Asker::Here),
    }
}

/// The options that `quire run` has, apart from those that jobs declare.
pub(super) fn run_options(root: &clap::Command) -> Vec<JobOption<'_>> {
    let run = root.find_subcommand("run").into_iter().flat_map(clap::Command::get_arguments);
    run.filter_map(JobOption::of).chain(jobs::RUN_OPTIONS).collect()
}

pub(super) fn with_arguments(mut cli: Cli, call: Option<(bool, Map<String, Value>)>) -> Cli {
    if let (Some(Command::Run(args)), Some((is_plan, arguments))) = (&mut cli.command, call) {
        (args.declared, args.is_plan) = (arguments, is_plan);
    }
    cli
}

/// Prints what can follow the words of a command line.
fn complete(words: &[String]) -> Ended {
    completion::print_candidates(words, |line| {
        let flag = line.before.iter().skip_while(|word| *word != "--data").nth(1);
        // Without a data folder there are still commands and jobs.
        let data = place::data_dir(flag.map(PathBuf::from)).ok();
        let cwd = std::env::current_dir().unwrap_or_default();
        completion::complete(&Cli::command(), line, data.as_ref(), &cwd)
    })
}

/// Says why a command has failed, and gives its exit code.
pub fn leave(ended: Ended) -> ExitCode {
    match ended {
        Ok(code) => ExitCode::from(with_output(code) as u8),
        Err(Failure { code, text }) => {
            print_error(&text);
            ExitCode::from(code as u8)
        }
    }
}

fn start_server(args: ServeArgs, data: DataDir) -> Ended {
    let ServeArgs { bind, profile, no_socket, allow_local_root, allow_git_host, log } = args;
    let profiles = place::profiles(profile.as_deref())?;
    let rules =
        SourceRules { local_roots: allow_local_root, git_hosts: allow_git_host, ..SourceRules::default() };
    serve::serve(data, (bind.as_deref(), rules), profiles, !no_socket, &log)
}

pub(super) fn perform(cli: Cli) -> Ended {
    if cli.licenses {
        return licenses::show();
    }
    let Some(command) = cli.command else {
        return Err(Failure::new(Code::Usage, "no command given").hint("quire --help lists the commands"));
    };
    if let Some(server) = &cli.server {
        return remote::perform(server, command);
    }
    let anywhere = || place::data_dir(cli.data.clone());
    let made = || place::make_data_dir(anywhere()?, "name another data folder with --data or QUIRE_DATA");
    let data = |access| place::existing(anywhere()?, access);
    let (runs, change) = (|| data(Access::ReadRuns), || data(Access::Write));
    match command {
        Command::Serve(args) => start_server(args, made()?),
        Command::Repo(command) if command.makes_a_repository() => repo::perform(&made()?, command),
        Command::Repo(command) => repo::perform(&data(command.access())?, command),
        Command::Watch(command) if command.makes_a_data_folder() => watch::perform(&made()?, command),
        Command::Watch(command) => watch::perform(&data(command.access())?, command),
        Command::Source(command) if command.makes_a_data_folder() => source::perform(&made()?, command),
        Command::Source(command) => source::perform(&data(command.access())?, command),
        Command::Ci(CiCommand::Check { path, json }) => ci::check(&path, json),
        Command::Ci(CiCommand::Plan { path, event, job, json }) => {
            ci_plan::plan(&path, event, job.as_deref(), json)
        }
        Command::Ci(CiCommand::Run { path, verbose, json, profile }) => {
            let profiles = place::profiles(profile.as_deref())?;
            ci_run::run(anywhere().ok().as_ref(), &path, profiles, ci_run::Output { verbose, json })
        }
        Command::Run(args) => start::run(&change()?, &args),
        Command::Jobs { repo, json } => jobs::list(anywhere().ok(), repo, json),
        Command::Plan { words } => Err(jobs::unknown(&words)),
        Command::Runs { filter, follow: true, json } => follow::here(&runs()?, &filter.to_follow()?, json),
        Command::Runs { filter, json, .. } => runs::list(&runs()?, &filter, json),
        Command::Show { run, json } => runs::show(&runs()?, &run, json),
        Command::Logs { run, job, follow, json } => {
            logs::logs(&runs()?, &run, logs::Options { job, follow, json, limit: None })
        }
        Command::Artifacts(args) => artifacts::perform(&runs()?, &args),
        Command::Wait { run, json } => ops::wait(&runs()?, &run, json),
        Command::Cancel { run, json } => ops::cancel(&change()?, &run, json),
        Command::Rerun { run, part, json } => ops::rerun(&change()?, &run, part, json),
        Command::Doctor { reset_caches: true, .. } => reset_caches::reset_caches(&change()?),
        Command::Doctor { reindex: true, .. } => reindex::reindex(&change()?),
        Command::Doctor { json, .. } => doctor::doctor(&place::readable_or_absent(anywhere()?)?, json),
        Command::Service(command) => service::perform(cli.data.clone(), command),
        Command::Notify(command) => notify::perform(&data(command.access())?, command),
        Command::Login => login::login(&change()?),
        Command::Token(command) => token::perform(&data(command.access())?, command),
        Command::User(command) => user::perform(&data(command.access())?, command),
        Command::Key(command) => key::perform(&data(command.access())?, command),
        Command::Access(command) => access_check::perform(&runs()?, command),
        Command::Exec(args) => exec::perform(&change()?, args),
        Command::Audit(args) => audit::list(&runs()?, &args),
        Command::Completion { shell } => completion::print_script(&shell, "quire"),
        Command::Runner => serve::runner(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }
}
