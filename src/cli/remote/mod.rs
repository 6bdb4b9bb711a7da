//! `--server URL`: commands on a server elsewhere, over its HTTP interface.

mod accounts;
mod client;
mod jobs;
mod output;

pub(super) use jobs::call;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use client::Remote;

use super::args::Command;
use super::artifacts::{ArtifactArgs, print_artifacts, save};
use super::audit::print_entries;
use super::exit::{Code, Ended, Failure, print, print_json, verdict};
use super::follow;
use super::notify::NotifyCommand;
use super::place::note_if_empty;
use super::repo::{RepoCommand, visibility_line};
use super::run_filter::RunFilterArgs;
use super::runs::{print_list, print_run};
use super::source::{self, SourceCommand};
use super::start::{StartArgs, print_plan};
use super::token::{TokenCommand, print_created, print_tokens};
use super::watch::WatchCommand;
use crate::app::{CreateToken, PlanRun, RepoShape, TokenView};
use crate::config::DataDir;
use crate::model::{RunName, percent_encoded};
use crate::run::PlannedJob;
use crate::sys::clock;
use crate::view::{ArtifactShape, AuditShape, PlanShape, RunShape, one_line, reason_line};

/// How long one request waits for the end of a run, in seconds.
const WAIT_S: u64 = 60;

/// Does a command on the server at `address`.
pub(super) fn perform(address: &str, command: Command) -> Ended {
    perform_on(&Remote::new(address)?, command)
}

/// Does a command on the server of a data folder, for somebody who has come over ssh.
pub(super) fn perform_here(data: &DataDir, asker: (&'static str, String), command: Command) -> Ended {
    perform_on(&Remote::here(data, asker), command)
}

fn perform_on(remote: &Remote, command: Command) -> Ended {
    match command {
        Command::Runs { filter, follow: true, json } => {
            let path = format!("/events{}", filter.to_follow()?);
            follow::print(remote.send("GET", &path, None, "text/event-stream")?.body, json)
        }
        Command::Runs { filter, json, .. } => runs(remote, &filter, json),
        Command::Show { run, json } => {
            print_run(&find(remote, &run)?, json);
            Ok(Code::Done)
        }
        Command::Logs { run, job, follow, json } => {
            let run = find(remote, &run)?;
            output::print(remote, &run, &output::Options { job, follow, json })
        }
        Command::Artifacts(args) => artifacts(remote, &args),
        Command::Wait { run, json } => wait(remote, &find(remote, &run)?.id, json),
        Command::Cancel { run, json } => cancel(remote, &run, json),
        Command::Rerun { run, part, json } => {
            print_new(&remote.post(&format!("/runs/{}/rerun", percent_encoded(&run)), &part.body())?, json);
            Ok(Code::Done)
        }
        Command::Run(args) => start(remote, &args),
        Command::Jobs { repo, json } => jobs::list(remote, repo.as_deref(), json),
        Command::Repo(command) => repo(remote, command),
        Command::Watch(command) => watch(remote, command),
        Command::Source(command) => source(remote, command),
        Command::Notify(command) => notify(remote, command),
        Command::Token(command) => token(remote, command),
        Command::User(command) => accounts::user(remote, command),
        Command::Key(command) => accounts::key(remote, command),
        Command::Audit(args) => {
            let (path, limit) = args.path()?;
            print_entries(&remote.list::<AuditShape>(&path, limit)?, args.json);
            Ok(Code::Done)
        }
        Command::Serve { .. }
        | Command::Plan { .. }
        | Command::Ci(_)
        | Command::Doctor { .. }
        | Command::Service(_)
        | Command::Login
        | Command::Access(_)
        | Command::Exec(_)
        | Command::Completion { .. }
        | Command::Runner => Err(only_there("this command")),
    }
}

/// The failure of a command that works on the data folder.
fn only_there(what: &str) -> Failure {
    Failure::new(Code::Usage, format!("{what} has no --server: it works where the data folder is"))
        .hint("ssh HOST quire …")
}

/// The run of a name or id, or the latest run of a repository.
fn find(remote: &Remote, text: &str) -> Result<RunShape, Failure> {
    if RunName::parse(text).is_ok() {
        return remote.get(&format!("/runs/{}", percent_encoded(text)));
    }
    let newest: Vec<RunShape> = remote.get(&format!("/runs?repo={}&limit=1", percent_encoded(text)))?;
    match newest.first() {
        Some(run) => remote.get(&format!("/runs/{}", percent_encoded(&run.id))),
        None => Err(Failure::not_found(format!("`{}` has no runs yet", one_line(text)))),
    }
}

fn artifacts(remote: &Remote, args: &ArtifactArgs) -> Ended {
    let run = find(remote, &args.run)?;
    let base = format!("/runs/{}/artifacts", percent_encoded(&run.id));
    let list: Vec<ArtifactShape> = remote.get(&base)?;
    let Some(path) = &args.artifact else {
        print_artifacts(&list, args.json);
        return Ok(Code::Done);
    };
    let answer = remote.send("GET", &format!("{base}/{}", percent_encoded(path)), None, "*/*")?;
    match list.iter().find(|artifact| artifact.path == *path) {
        Some(artifact) => save(args, artifact, answer.body),
        None => Err(Failure::not_found(format!("{} has no artifact {}", run.name(), one_line(path)))),
    }
}

fn runs(remote: &Remote, filter: &RunFilterArgs, as_json: bool) -> Ended {
    let request = filter.request(clock::now(), &TimeZone::system())?;
    let mut query = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        query.extend(value.map(|value| format!("{name}={}", percent_encoded(&value))));
    };
    add("repo", request.repo.map(|repo| repo.to_string()));
    add("ref", filter.ref_name().map(str::to_owned));
    add("outcome", request.outcome.map(|outcome| outcome.as_str().to_owned()));
    add("state", request.state.map(|state| state.as_str().to_owned()));
    add("since", request.since.map(|since| since.to_string()));
    add("limit", Some(request.limit.clamp(1, 200).to_string()));
    let runs: Vec<RunShape> = remote.list(&format!("/runs?{}", query.join("&")), request.limit)?;
    if as_json {
        print_json(&json!(runs));
    } else {
        print_list(&runs, "no such runs");
    }
    Ok(Code::Done)
}

fn wait(remote: &Remote, run: &str, as_json: bool) -> Ended {
    let id = if RunName::parse(run).is_ok() { run.to_owned() } else { find(remote, run)?.id };
    let path = format!("/runs/{}/wait?timeout_s={WAIT_S}", percent_encoded(&id));
    let run = loop {
        let run: RunShape = remote.get(&path)?;
        if run.has_ended() {
            break run;
        }
    };
    if as_json {
        print_json(&json!(run));
    } else {
        let reason = run.reason.as_ref().map(|reason| reason_line(reason.to_reason().first_line()));
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        print(&format!("quire: {} {}{reason}\n", run.name(), run.word()));
    }
    Ok(verdict(run.outcome()))
}

fn cancel(remote: &Remote, run: &str, as_json: bool) -> Ended {
    let run: RunShape = remote.post(&format!("/runs/{}/cancel", percent_encoded(run)), &json!({}))?;
    if as_json {
        print_json(&json!(run));
    } else {
        print(&format!("{} is being stopped\n", run.name()));
    }
    Ok(Code::Done)
}

/// Prints the name of a new run.
fn print_new(run: &RunShape, as_json: bool) {
    if as_json {
        print_json(&json!(run));
    } else {
        print(&format!("{}\n", run.name()));
    }
}

/// Plans what somebody would start on the server at `address`.
pub(super) fn planned(address: &str, request: &PlanRun) -> Result<Vec<PlannedJob>, Failure> {
    planned_on(&Remote::new(address)?, request)
}

/// The same on the server of a data folder, for somebody who has come over ssh.
pub(super) fn planned_here(
    data: &DataDir,
    asker: (&'static str, String),
    request: &PlanRun,
) -> Result<Vec<PlannedJob>, Failure> {
    planned_on(&Remote::here(data, asker), request)
}

fn planned_on(remote: &Remote, request: &PlanRun) -> Result<Vec<PlannedJob>, Failure> {
    let plan: PlanShape = remote.post("/plans", &json!(request))?;
    match plan.diagnostics.iter().find(|wrong| wrong.severity == "error") {
        Some(wrong) => {
            let line = wrong.line.map(|line| format!(":{line}")).unwrap_or_default();
            Err(Failure::new(Code::Usage, format!("{}{line}: {}", wrong.file, wrong.message)))
        }
        None => Ok(plan.jobs),
    }
}

fn start(remote: &Remote, args: &StartArgs) -> Ended {
    if args.is_plan {
        return print_plan(remote.post("/plans", &json!(args.plan()?))?, args);
    }
    let run: RunShape = remote.post("/runs", &args.body()?)?;
    if args.wait && args.json {
        return wait(remote, &run.id, true);
    }
    print_new(&run, args.json);
    if args.follow {
        output::print(remote, &run, &output::Options { job: None, follow: true, json: false })?;
    }
    if args.follow || args.wait { wait(remote, &run.id, false) } else { Ok(Code::Done) }
}

fn repo(remote: &Remote, command: RepoCommand) -> Ended {
    let change = |name: &str, body: Value| {
        let path = format!("/repos/{}", percent_encoded(name));
        remote.send("PATCH", &path, Some(&body), "application/json").map(drop)
    };
    match command {
        RepoCommand::New { name } => {
            let made: Map<String, Value> = remote.post("/repos", &json!({ "name": name }))?;
            print(&format!("{}\n", text(&made, "name")));
        }
        RepoCommand::List { json } => {
            let repos: Vec<RepoShape> = remote.list("/repos?limit=200", usize::MAX)?;
            if json {
                print_json(&json!(repos));
            } else {
                note_if_empty(repos.is_empty(), "no repositories yet");
                print(&repos.iter().map(|repo| format!("{}\n", one_line(&repo.name))).collect::<String>());
            }
        }
        RepoCommand::DefaultBranch { name, branch } => {
            change(&name, json!({ "default_branch": branch }))?;
            print(&format!("the default branch of {name} is {branch}\n"));
        }
        RepoCommand::Describe { name, text } => {
            change(&name, json!({ "description": Some(text).filter(|text| !text.is_empty()) }))?;
            print(&format!("{} is described\n", one_line(&name)));
        }
        RepoCommand::Visibility { name, visibility, logs } => {
            let shown = visibility_line(&name, &visibility, logs.as_deref());
            let mut body = json!({ "visibility": visibility });
            if let (Some(body), Some(logs)) = (body.as_object_mut(), logs) {
                body.insert("log_visibility".to_owned(), json!(logs));
            }
            change(&name, body)?;
            print(&shown);
        }
        RepoCommand::Rename { name, to } => {
            change(&name, json!({ "name": to }))?;
            print(&format!("{name} is {to} now\n"));
        }
        RepoCommand::Rm { name } => {
            remote.send("DELETE", &format!("/repos/{}", percent_encoded(&name)), None, "application/json")?;
            print(&format!("{name} is in the trash\n"));
        }
        RepoCommand::Adopt { .. } => return Err(only_there("quire repo adopt")),
        RepoCommand::Restore { .. } => return Err(only_there("quire repo restore")),
    }
    Ok(Code::Done)
}

fn watch(remote: &Remote, command: WatchCommand) -> Ended {
    match command {
        WatchCommand::Add(args) => {
            let added: Map<String, Value> = remote.post("/watches", &args.body()?)?;
            print(&format!("watching {}\n", text(&added, "name")));
        }
        WatchCommand::List { json } => {
            let watches: Vec<Map<String, Value>> = remote.get("/watches")?;
            if json {
                print_json(&json!(watches));
            } else {
                note_if_empty(watches.is_empty(), "no watches yet");
                let line = |watch: &Map<String, Value>| {
                    let [state, name, branch, url] =
                        ["state", "name", "branch", "url"].map(|part| text(watch, part));
                    format!("{state:<11} {name}  {branch} of {url}\n")
                };
                print(&watches.iter().map(line).collect::<String>());
            }
        }
        WatchCommand::Rm { name } => {
            remote.send(
                "DELETE",
                &format!("/watches/{}", percent_encoded(&name)),
                None,
                "application/json",
            )?;
            print(&format!("{name} is not watched any more\n"));
        }
        WatchCommand::Now { name: Some(name) } => {
            let path = format!("/watches/{}/now", percent_encoded(&name));
            remote.send("POST", &path, Some(&json!({})), "application/json")?;
            print(&format!("{name} is looked at\n"));
        }
        WatchCommand::Now { name: None } => {
            return Err(Failure::new(Code::Usage, "name one watch: quire watch now NAME --server …"));
        }
        WatchCommand::Import { .. } => return Err(only_there("quire watch import")),
    }
    Ok(Code::Done)
}

fn source(remote: &Remote, command: SourceCommand) -> Ended {
    let path = |name: &str| format!("/sources/{}", percent_encoded(name));
    match command {
        SourceCommand::Add(args) => {
            let answer = remote.send("POST", "/sources", Some(&json!(args.request())), "application/json")?;
            let is_new = answer.status == 201;
            source::print_added(&remote.json(answer)?, is_new, args.json);
        }
        SourceCommand::List { json } => source::print_list(&remote.get::<Vec<_>>("/sources")?, json),
        SourceCommand::Show { name, json } => source::print_source(&remote.get(&path(&name))?, json),
        SourceCommand::Rm { name } => {
            remote.send("DELETE", &path(&name), None, "application/json")?;
            source::print_removed(&name);
        }
    }
    Ok(Code::Done)
}

fn notify(remote: &Remote, command: NotifyCommand) -> Ended {
    match command {
        NotifyCommand::List { limit, json } => {
            let path = format!("/notifications?limit={}", limit.clamp(1, 200));
            let messages: Vec<Map<String, Value>> = remote.list(&path, limit)?;
            if json {
                print_json(&json!(messages));
                return Ok(Code::Done);
            }
            note_if_empty(messages.is_empty(), "no messages yet");
            let line = |message: &Map<String, Value>| {
                let [id, state, event, subject, target] =
                    ["id", "state", "event", "subject", "target"].map(|part| text(message, part));
                format!("{id}  {state:<8}  {event:<9} {subject} to {target}\n")
            };
            print(&messages.iter().map(line).collect::<String>());
        }
        NotifyCommand::Retry { id } => {
            let path = format!("/notifications/{}/retry", percent_encoded(&id));
            remote.send("POST", &path, Some(&json!({})), "application/json")?;
            print(&format!("{id} is tried now\n"));
        }
        NotifyCommand::Test { .. } => return Err(only_there("quire notify test")),
    }
    Ok(Code::Done)
}

fn token(remote: &Remote, command: TokenCommand) -> Ended {
    match command {
        TokenCommand::New(args) => {
            let CreateToken { name, scopes, repos, expires_at, by: _ } = args.request()?;
            let body = json!({"name": name, "scopes": scopes, "repos": repos, "expires_at": expires_at});
            print_created(&remote.post("/tokens", &body)?);
        }
        TokenCommand::List { json } => print_tokens(&remote.get::<Vec<TokenView>>("/tokens")?, json),
        TokenCommand::Revoke { name } => {
            let path = format!("/tokens/{}", percent_encoded(&name));
            remote.send("DELETE", &path, None, "application/json")?;
            print(&format!("the token {} is revoked\n", one_line(&name)));
        }
    }
    Ok(Code::Done)
}

/// A member that is a text, safe to print.
fn text(object: &Map<String, Value>, name: &str) -> String {
    one_line(object.get(name).and_then(Value::as_str).unwrap_or_default())
}
