//! `quire completion` and `quire __complete`: what a shell offers while a command is typed. Reads folders only: no database, no
//! server.

mod candidate;
mod job;
mod quire;
mod repo_jobs;
mod script;

pub(crate) use candidate::{Candidate, CommandLine, ndjson};
pub(crate) use job::{Flag, Takes, after_job_words};
pub(crate) use quire::complete;
pub(crate) use script::{SHELLS, script};

use std::path::Path;

use super::exit::{Code, Ended, Failure, print};
use super::jobs;
use crate::app::JobPlace;
use crate::config::DataDir;
use crate::pipeline::folder::Discovery;
use crate::view::plain;

/// The hidden command that shells call.
pub(crate) const WORD: &str = "__complete";

/// Prints the script for a shell.
pub(crate) fn print_script(shell: &str, program: &str) -> Ended {
    let Some(script) = script(shell, program) else {
        let unknown = Failure::new(Code::Usage, format!("no completion for the shell `{}`", plain(shell)));
        return Err(unknown.hint(format!("shells are {}", SHELLS.join(" "))));
    };
    print(&script);
    Ok(Code::Done)
}

/// Prints the candidates for the words after [`WORD`].
pub(crate) fn print_candidates(words: &[String], complete: impl Fn(&CommandLine) -> Vec<Candidate>) -> Ended {
    let Some(line) = CommandLine::parse(words) else {
        let wrong = Failure::new(Code::Failed, format!("`{WORD}` takes the number of a word, and words"));
        return Err(wrong.hint(format!("{WORD} 1 ''")));
    };
    print(&ndjson(complete(&line), &line.current));
    Ok(Code::Done)
}

/// The job folders of a directory. Completion reports no error: it would be in the middle of what is being typed.
pub(crate) fn discovered(data: Option<&DataDir>, cwd: &Path) -> Discovery {
    jobs::discovered(data, &JobPlace::below(cwd)).unwrap_or_default()
}
