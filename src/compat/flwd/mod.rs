//! `flwd`: that program's command line and HTTP interface, translated into quire's operations. docs/flwd.md says what is the
//! same and what is not.

mod complete;
mod events;
mod facts;
mod list;
mod place;
mod plan;
mod run;
mod scaffold;
mod serve;
mod sources;

use std::process::ExitCode;

use crate::cli::completion;
use crate::cli::exit::{Code, Ended, Failure, print};
use crate::cli::leave;
use crate::cli::place::variable;
use crate::executor;
use crate::model::{Profile, suggest};
use crate::policy::StartProfiles;
use crate::view::one_line;

/// The file name by which this program is known.
pub(super) const NAME: &str = "flwd";

/// The title of the problem that there is no container engine.
const NO_ENGINE: &str = "container runtime unavailable";

/// The words that begin with a colon.
const VERBS: [&str; 4] = [":jobs", ":plan", ":serve", ":sources"];

const HELP: &str = "\
flwd: runs the jobs of folders below scripts/. This is quire, called by another name.

flwd JOB [--ARGUMENT VALUE …]   run a job: its id, its path in words, or an alias
     --dry-run --json --quiet --on-error abort|continue --report json|yaml --report-file FILE --profile PROFILE
flwd :jobs [--json]             the jobs and aliases
flwd :plan JOB [--json]         what a run of a job would do
flwd :serve [OPTIONS]           the same over HTTP; flwd :serve --help lists the options
flwd :sources list|add|remove   where a server takes jobs from (--server URL, the token in FLWD_TOKEN)
flwd init bash|ps PATH          make a job folder
flwd completion SHELL           a script that completes in bash, zsh, fish or powershell
flwd help | --version
";

/// Runs a command.
pub(super) fn run() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    // A copy of the binary under this name also starts its runners.
    if words.first().is_some_and(|word| word == "runner" || word == executor::WORD) {
        return crate::cli::run();
    }
    // That program knows two exit codes.
    let ended = perform(&words).map(|code| if code == Code::Done { code } else { Code::Failed });
    leave(ended.map_err(|failure| Failure { code: Code::Failed, ..failure }))
}

fn perform(words: &[String]) -> Ended {
    let (first, rest) = words.split_first().map_or(("", words), |(first, rest)| (first.as_str(), rest));
    let plain: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (first, plain.as_slice()) {
        ("" | "help" | "--help" | "-h", _) => {
            print(HELP);
            Ok(Code::Done)
        }
        ("version" | "--version" | "-V", _) => {
            print(&format!("{NAME} (quire {})\n", env!("CARGO_PKG_VERSION")));
            Ok(Code::Done)
        }
        (completion::WORD, _) => complete::run(rest),
        ("completion", [shell]) => completion::print_script(shell, NAME),
        ("completion", _) => {
            Err(Failure::new(Code::Usage, "write `flwd completion bash`, `zsh`, `fish` or `powershell`"))
        }
        (":jobs", []) => list::list(false),
        (":jobs", ["--json"]) => list::list(true),
        (":plan", [_, ..]) => plan::print_plan(rest),
        (":serve", options) => serve::run(options),
        (":sources", words) => sources::perform(words),
        ("init", [kind, path]) => scaffold::make(kind, path),
        (verb, _) if verb.starts_with(':') => Err(wrong_verb(verb)),
        ("init", _) => Err(Failure::new(Code::Usage, "write `flwd init bash PATH` or `flwd init ps PATH`")),
        _ => run::run(words),
    }
}

fn wrong_verb(verb: &str) -> Failure {
    if VERBS.contains(&verb) {
        return Failure::new(Code::Usage, format!("invalid arguments for `{verb}`"))
            .hint("flwd help lists them");
    }
    let unknown = Failure::new(Code::Usage, format!("unknown command `{}`", one_line(verb)));
    match suggest(verb, VERBS) {
        Some(near) => unknown.hint(format!("did you mean `{near}`?")),
        None => unknown.hint("flwd help lists all commands"),
    }
}

/// The profile of a command: `--profile`, otherwise `FLWD_PROFILE`.
fn profiles(flag: Option<&str>) -> Result<StartProfiles, Failure> {
    let parse = |text: &str, from: &str| {
        Profile::parse(text).map_err(|error| Failure::new(Code::Usage, format!("{from}: {error}")))
    };
    let flag = flag.map(|text| parse(text, "--profile")).transpose()?;
    let environment = variable("FLWD_PROFILE").filter(|_| flag.is_none());
    let environment = environment.map(|text| parse(&text, "FLWD_PROFILE")).transpose()?;
    Ok(StartProfiles { environment, flag })
}
