//! Candidates of quire's own commands.

use std::path::Path;

use clap::{Arg, Command};

use super::candidate::{Candidate, CommandLine};
use super::discovered;
use super::job::{Flag, Takes, after_job_words, files};
use super::repo_jobs;
use super::script::SHELLS;
use crate::cli::jobs::from_job;
use crate::config::DataDir;
use crate::model::{Outcome, Profile, RepoName, Scope};

/// Folders of groups inside each other that are searched for repositories, at most.
const MAX_GROUPS: usize = 4;

/// Runs of a repository that are offered, the newest ones.
const MAX_RUNS: usize = 20;

/// What `quire run JOB` and `quire plan JOB` take besides the arguments of the job.
const JOB_FLAGS: [Flag; 6] = [
    Flag::new("json", "Print JSON", Takes::Nothing),
    Flag::new("dry-run", "Print what would run", Takes::Nothing),
    Flag::new(
        "profile",
        "How far containers may open themselves",
        Takes::OneOf(&["secure", "permissive", "disabled"]),
    ),
    Flag::new("source", "The source that the job is of", Takes::Text),
    Flag::new("data", "The data folder", Takes::File),
    Flag::new("server", "The address of a server elsewhere", Takes::Text),
];

/// Where the values of a command come from.
struct Places<'a> {
    data: Option<&'a DataDir>,
    cwd: &'a Path,
}

/// What can follow the words of a command line of quire.
pub(crate) fn complete(
    root: &Command,
    line: &CommandLine,
    data: Option<&DataDir>,
    cwd: &Path,
) -> Vec<Candidate> {
    let places = Places { data, cwd };
    let mut command = root;
    let mut path: Vec<&str> = Vec::new();
    let (mut positionals, mut place) = (0, 0);
    while let Some(word) = line.before.get(place) {
        place += 1;
        if let Some(flag) = word.strip_prefix('-') {
            let takes_next = !flag.contains('=') && find_flag(root, command, word).is_some_and(takes_value);
            place += usize::from(takes_next);
        } else if let Some(inner) = command.find_subcommand(word).filter(|_| positionals == 0) {
            command = inner;
            path.push(inner.get_name());
            if matches!(*path, ["run" | "plan"]) {
                return job_words(root, command, &places, line, place);
            }
        } else {
            positionals += 1;
        }
    }
    if let Some((name, typed)) = line.flag_inside() {
        let flag = find_flag(root, command, &format!("--{name}"));
        return flag
            .map(|flag| values(flag, &path, &places, typed, &format!("--{name}=")))
            .unwrap_or_default();
    }
    let pending = line.before.last().filter(|word| word.starts_with('-') && !word.contains('='));
    if let Some(flag) =
        pending.and_then(|word| find_flag(root, command, word)).filter(|flag| takes_value(flag))
    {
        return values(flag, &path, &places, &line.current, "");
    }
    if line.current.starts_with('-') {
        return flags(root, command);
    }
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set() && positionals == 0);
    let mut all: Vec<Candidate> =
        inner.map(|inner| Candidate::segment(inner.get_name(), &about(inner.get_about()))).collect();
    let positional = command.get_positionals().nth(positionals).or_else(|| command.get_positionals().last());
    all.extend(positional.map(|arg| values(arg, &path, &places, &line.current, "")).unwrap_or_default());
    all
}

/// What can follow `run` and `plan`: the words of a job folder, or a repository.
fn job_words(
    root: &Command,
    command: &Command,
    places: &Places<'_>,
    line: &CommandLine,
    place: usize,
) -> Vec<Candidate> {
    let found = discovered(places.data, places.cwd);
    let before = from_job(line.before.get(place..).unwrap_or_default()).to_vec();
    let rest = CommandLine { before, current: line.current.clone() };
    let is_job = found.find_words(&rest.before).is_some();
    let mut all = after_job_words(&found, &rest, &JOB_FLAGS, places.cwd);
    if is_job {
        return all;
    }
    if let Some(of_repo) = repo_jobs::complete((root, command), &rest, places.data, places.cwd) {
        return of_repo;
    }
    let flag = rest.before.last().and_then(|word| find_flag(root, command, word));
    if let Some(flag) = flag.filter(|flag| takes_value(flag)) {
        return values(flag, &["run"], places, &rest.current, "");
    }
    if rest.current.starts_with('-') {
        return flags(root, command);
    }
    if rest.before.iter().all(|word| word.starts_with('-')) && command.get_name() == "run" {
        all.extend(repositories(places.data));
    }
    all
}

pub(super) fn find_flag<'a>(root: &'a Command, command: &'a Command, word: &str) -> Option<&'a Arg> {
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    let is_meant = |arg: &&Arg| match (name.strip_prefix("--"), name.strip_prefix('-')) {
        (Some(long), _) => arg.get_long() == Some(long),
        (None, Some(short)) => arg.get_short().is_some_and(|own| short.chars().eq([own])),
        (None, None) => false,
    };
    command.get_arguments().find(is_meant).or_else(|| globals(root).find(is_meant))
}

fn globals(root: &Command) -> impl Iterator<Item = &Arg> {
    root.get_arguments().filter(|arg| arg.is_global_set())
}

pub(super) fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// The flags of a command.
pub(super) fn flags(root: &Command, command: &Command) -> Vec<Candidate> {
    let own = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_global_set());
    let mut all = vec![Candidate::flag("--help", "Print help")];
    for arg in own.chain(globals(root)).filter(|arg| !arg.is_hide_set()) {
        let display = about(arg.get_help());
        all.extend(arg.get_long().map(|long| Candidate::flag(format!("--{long}"), &display)));
        all.extend(arg.get_short().map(|short| Candidate::flag(format!("-{short}"), &display)));
    }
    all
}

fn about(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// The values of a flag or a positional argument, each after `start`.
fn values(arg: &Arg, path: &[&str], places: &Places<'_>, typed: &str, start: &str) -> Vec<Candidate> {
    let possible = arg.get_possible_values();
    let named = |words: Vec<String>| {
        words.into_iter().map(|word| Candidate::value(format!("{start}{word}"), "")).collect::<Vec<_>>()
    };
    let words = |words: &[&str]| named(words.iter().map(ToString::to_string).collect());
    if !possible.is_empty() && !matches!(arg.get_action(), clap::ArgAction::SetTrue) {
        return named(possible.iter().map(|value| value.get_name().to_owned()).collect());
    }
    match (path, arg.get_id().as_str()) {
        (_, "profile") => words(&Profile::ALL.map(Profile::as_str)),
        (_, "log") => words(&["text", "json"]),
        (_, "outcome") => words(&Outcome::ALL.map(Outcome::as_str)),
        (_, "scopes") => words(&Scope::ALL.map(Scope::as_str)),
        (["completion"], "shell") => words(&SHELLS),
        (["source", "add"], "kind") => words(&["local", "git", "oci"]),
        (["source", "add"], "pull_policy") => words(&["on-add", "on-run", "never"]),
        (["source", "add"], "expose") => words(&["none", "read", "readwrite"]),
        (_, "run") => runs(places.data, typed, start),
        (["repo", "adopt"], "repository") | (_, "data" | "path" | "file" | "ssh_key") => {
            files(places.cwd, typed, start, |_| true)
        }
        (["repo", inner], "name") if !matches!(*inner, "new" | "restore") => repositories(places.data),
        (_, "repo" | "named" | "repos") => repositories(places.data),
        _ => Vec::new(),
    }
}

/// The repositories of the data folder.
fn repositories(data: Option<&DataDir>) -> Vec<Candidate> {
    let mut names = Vec::new();
    if let Some(data) = data {
        collect(&data.repos(), "", MAX_GROUPS, &mut names);
    }
    names.iter().map(|name| Candidate::value(name.as_str(), "repository")).collect()
}

/// The names of the repositories in a folder, and in those of groups.
fn collect(folder: &Path, group: &str, depth: usize, names: &mut Vec<RepoName>) {
    // A folder that may not be read has nothing to offer.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        match name.strip_suffix(".git") {
            Some(name) if is_folder => names.extend(RepoName::parse(&format!("{group}{name}")).ok()),
            None if is_folder && depth > 1 => {
                collect(&entry.path(), &format!("{group}{name}/"), depth - 1, names);
            }
            Some(_) | None => {}
        }
    }
}

/// The runs of repositories: the newest of the one that was typed, otherwise the newest of each.
fn runs(data: Option<&DataDir>, typed: &str, start: &str) -> Vec<Candidate> {
    let Some(data) = data else { return Vec::new() };
    let mut names = Vec::new();
    collect(&data.repos(), "", MAX_GROUPS, &mut names);
    // Job folders are of no repository, and have runs.
    names.push(RepoName::of_jobs());
    let mut all = Vec::new();
    for name in names {
        let of = std::fs::read_dir(data.runs(&name)).into_iter().flatten().flatten();
        let mut numbers: Vec<u64> = of.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let most = if typed.starts_with(&format!("{name}#")) { MAX_RUNS } else { 1 };
        let shown = numbers.into_iter().take(most);
        all.extend(shown.map(|number| Candidate::value(format!("{start}{name}#{number}"), "run")));
    }
    all
}
