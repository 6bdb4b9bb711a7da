//! `__complete`: what a shell offers while a command of `flwd` is typed.

use std::path::Path;

use super::VERBS;
use super::place::data_path;
use crate::cli::completion::{
    self, Candidate, CommandLine, Flag, SHELLS, Takes, after_job_words, discovered,
};
use crate::cli::exit::Ended;
use crate::cli::place::variable;
use crate::config::DataDir;

const PROFILES: Takes = Takes::OneOf(&["secure", "permissive", "disabled"]);

const JSON: Flag = Flag::new("json", "Print JSON", Takes::Nothing);

/// What a job takes besides its own arguments.
const RUN: [Flag; 9] = [
    JSON,
    Flag::new("dry-run", "Print what would run", Takes::Nothing),
    Flag::new("on-error", "What follows when a script fails", Takes::OneOf(&["abort", "continue"])),
    Flag::new("profile", "How far containers may open themselves", PROFILES),
    Flag { short: Some('q'), ..Flag::new("quiet", "Print no output", Takes::Nothing) },
    Flag::new("report", "Write a report", Takes::OneOf(&["json", "yaml"])),
    Flag::new("report-file", "Where the report is written", Takes::File),
    Flag::new("strict", "Stop at the first failure", Takes::Nothing),
    Flag { short: Some('v'), ..Flag::new("verbose", "Print more", Takes::Nothing) },
];

const PLAN: [Flag; 2] = [JSON, Flag::new("profile", "How far containers may open themselves", PROFILES)];

const SERVE: [Flag; 9] = [
    Flag::new("aliases-public", "Show aliases to everybody", Takes::Nothing),
    Flag::new("allow-git-host", "A host that git sources may be on", Takes::Text),
    Flag::new("allow-local-root", "A folder that local sources may be in", Takes::File),
    Flag::new("bind", "Where to answer", Takes::OneOf(&["127.0.0.1:8080"])),
    Flag::new("dev", "Accept requests without a token", Takes::Nothing),
    Flag::new("extension", "An extension", Takes::OneOf(&["export"])),
    Flag::new("log", "How the log is written", Takes::OneOf(&["text", "json"])),
    Flag::new("metrics", "Offer metrics", Takes::Nothing),
    Flag::new("profile", "How far containers may open themselves", PROFILES),
];

const SERVER: Flag =
    Flag::new("server", "The address of the server", Takes::OneOf(&["http://127.0.0.1:8080"]));
const TOKEN: Flag = Flag::new("token", "The token", Takes::Text);

const SOURCES: [Flag; 3] = [JSON, SERVER, TOKEN];

const ADD_SOURCE: [Flag; 11] = [
    Flag::new("expose", "Which of its jobs are shown", Takes::Text),
    JSON,
    Flag::new("name", "The name of the source", Takes::Text),
    Flag::new("pull-policy", "When the image is pulled", Takes::OneOf(&["on-add", "on-run"])),
    Flag::new("ref", "The branch, tag, folder or image", Takes::Text),
    SERVER,
    TOKEN,
    Flag::new("trusted", "Trust the image", Takes::Nothing),
    Flag::new("type", "What it is", Takes::OneOf(&["git", "local", "oci"])),
    Flag::new("url", "Where it is", Takes::Text),
    Flag::new("verify-signatures", "Verify the signature of the image", Takes::Nothing),
];

/// The commands that are no jobs.
const COMMANDS: [(&str, &str); 4] = [
    ("completion", "Print a script for a shell"),
    ("help", "Print help"),
    ("init", "Make a job folder"),
    ("version", "Print the version"),
];

/// `flwd __complete CURSOR WORD…`.
pub(super) fn run(words: &[String]) -> Ended {
    let cwd = std::env::current_dir().unwrap_or_default();
    completion::print_candidates(words, |line| complete(line, &cwd))
}

fn complete(line: &CommandLine, cwd: &Path) -> Vec<Candidate> {
    let jobs = |line: &CommandLine, flags: &[Flag]| {
        let path = data_path(variable);
        let data = DataDir::new(std::path::absolute(&path).unwrap_or(path));
        after_job_words(&discovered(Some(&data), cwd), line, flags, cwd)
    };
    let words: Vec<&str> = line.before.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] if line.current.starts_with(':') => {
            VERBS.iter().map(|verb| Candidate::segment(*verb, "")).collect()
        }
        [] if line.current.starts_with('-') => {
            vec![Candidate::flag("--help", "Print help"), Candidate::flag("--version", "Print the version")]
        }
        [] => {
            let commands = COMMANDS.iter().map(|(name, about)| Candidate::segment(*name, about));
            jobs(line, &RUN).into_iter().chain(commands).collect()
        }
        [":jobs", ..] => flags(line, &[JSON], cwd),
        [":serve", ..] => flags(line, &SERVE, cwd),
        [":plan", ..] => {
            let rest = line.before.iter().skip(1).cloned().collect();
            jobs(&CommandLine { before: rest, current: line.current.clone() }, &PLAN)
        }
        [":sources"] if !line.current.starts_with('-') => {
            [("add", "Add a source"), ("list", "List the sources"), ("remove", "Remove a source")]
                .map(|(name, about)| Candidate::segment(name, about))
                .into()
        }
        [":sources", rest @ ..] if rest.contains(&"add") => flags(line, &ADD_SOURCE, cwd),
        [":sources", ..] => flags(line, &SOURCES, cwd),
        ["completion"] => SHELLS.map(|shell| Candidate::segment(shell, "")).into(),
        ["init"] => ["bash", "ps"].map(|kind| Candidate::segment(kind, "")).into(),
        [verb, ..] if verb.starts_with(':') || COMMANDS.iter().any(|(name, _)| name == verb) => Vec::new(),
        _ => jobs(line, &RUN),
    }
}

/// The flags of a verb, or the values of one of them.
fn flags(line: &CommandLine, known: &[Flag], cwd: &Path) -> Vec<Candidate> {
    let find = |name: &str| known.iter().find(|flag| flag.name == name);
    if let Some((name, typed)) = line.flag_inside() {
        let values = find(name).and_then(|flag| flag.values(typed, &format!("--{name}="), cwd));
        return values.unwrap_or_default();
    }
    let values = line.flag_before().and_then(find).and_then(|flag| flag.values(&line.current, "", cwd));
    values.unwrap_or_else(|| known.iter().flat_map(|flag| flag.candidates()).collect())
}
