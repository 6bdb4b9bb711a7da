//! `phantom_ci`: translates the commands and files of that program into quire's. It decides nothing about watches, runs or
//! messages: docs/phantom_ci.md describes each command.

mod again;
mod args;
mod files;
mod list;
mod machine;
mod show;

use std::process::ExitCode;

use crate::cli::exit::{Code, Ended, Failure, print, print_error};
use crate::cli::leave;
use crate::cli::place::make_data_dir;
use crate::cli::serve::{ServeExtras, serve_alone};
use crate::config::Additions;
use crate::executor;
use crate::model::suggest;
use crate::notify::TARGET_VARIABLES;
use crate::view::one_line;
use args::{Args, OPTIONS};
use files::Files;

/// The file name by which this program is known.
pub(super) const NAME: &str = "phantom_ci";

/// The commands.
const WORDS: [&str; 11] =
    ["add", "configure", "repo", "jobs", "logs", "now", "rerun", "retry", "notify", "reset", "help"];

const HELP: &str = "\
phantom_ci: watches branches and runs their workflows. This is quire, called by another name.

phantom_ci                      watch and run; it listens nowhere
phantom_ci add PATH [BRANCH]    write a repository into Repo.toml [branch: master] (--name NAME)
phantom_ci configure service    have systemd start it (--system: for the machine; --print only prints the unit)
phantom_ci repo [TEXT]          the repositories, with the last run of each
phantom_ci jobs [TEXT]          the runs, newest first
phantom_ci logs [TEXT]          the output of the last run (--repo TEXT, --branch BRANCH, --limit LINES)
phantom_ci now [TEXT]           look at the repositories now, while it runs
phantom_ci rerun [RUN|TEXT]     run the last run once more, or site#3
phantom_ci retry [ID]           send once more what could not be sent
phantom_ci notify test TARGET   send a test to env/discord, env/slack or env/custom
phantom_ci reset                forget what is known of the remotes and empty the caches; restarts its service
phantom_ci help | --version

TEXT is a part of a name or an address.
";

/// Runs a command.
pub(super) fn run() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    // A copy of the binary under this name also starts its runners.
    if words.first().is_some_and(|word| word == "runner" || word == executor::WORD) {
        return crate::cli::run();
    }
    leave(perform(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn perform(words: &[&str]) -> Ended {
    match words {
        ["help" | "--help" | "-h", ..] => {
            print(HELP);
            return Ok(Code::Done);
        }
        ["--version" | "-V"] => {
            print(&format!("{NAME} (quire {})\n", env!("CARGO_PKG_VERSION")));
            return Ok(Code::Done);
        }
        _ => {}
    }
    let (command, options) = words.split_first().unwrap_or((&"", &[]));
    let args = match OPTIONS.iter().find(|(known, _)| known == command) {
        Some((_, known)) => Args::parse(options, known)?,
        None => Args::without_options(options),
    };
    match [&[*command], args.words.as_slice()].concat().as_slice() {
        [] | [""] => watch(&Files::find()?),
        ["add", path] => list::add(&Files::find()?, (path, None), args.value("--name")),
        ["add", path, branch] => list::add(&Files::find()?, (path, Some(branch)), args.value("--name")),
        ["configure", "service"] => {
            machine::configure(&Files::find()?, args.has("--system"), args.has("--print"))
        }
        ["repo"] => show::repositories(&Files::find()?, ""),
        ["repo", text] => show::repositories(&Files::find()?, text),
        ["jobs"] => show::jobs(&Files::find()?, ""),
        ["jobs", text] => show::jobs(&Files::find()?, text),
        ["logs"] => show::logs(&Files::find()?, args.value("--repo").unwrap_or_default(), &args),
        ["logs", text] => show::logs(&Files::find()?, args.value("--repo").unwrap_or(text), &args),
        ["now"] => again::now(&Files::find()?, ""),
        ["now", text] => again::now(&Files::find()?, text),
        ["rerun"] => again::rerun(&Files::find()?, ""),
        ["rerun", text] => again::rerun(&Files::find()?, text),
        ["retry"] => again::retry(&Files::find()?, ""),
        ["retry", id] => again::retry(&Files::find()?, id),
        ["notify", "test", target] => machine::test_target(&Files::find()?, target),
        ["reset"] => machine::reset(&Files::find()?),
        [known, ..] if WORDS.contains(known) => {
            Err(Failure::new(Code::Usage, format!("invalid arguments for `{known}`"))
                .hint(format!("`{NAME} help` lists them")))
        }
        [other, ..] => {
            let unknown = Failure::new(Code::Usage, format!("unknown command `{}`", one_line(other)));
            Err(match suggest(other, WORDS) {
                Some(near) => unknown.hint(format!("did you mean `{near}`?")),
                None => unknown.hint(format!("`{NAME} help` lists all commands")),
            })
        }
    }
}

/// Without a command: watches and runs, and listens nowhere.
fn watch(files: &Files) -> Ended {
    let list = files.list();
    if files.listed()?.1.is_empty() {
        print_error(&format!("warning: `{}` lists no repository yet\n", list.display()));
        print_error(&format!("hint: `{NAME} add PATH BRANCH`\n"));
    }
    let data = make_data_dir(files.data.clone(), "choose another folder with `$XDG_DATA_HOME`")?;
    let variables = files.variables()?;
    // The file is the operator's; the addresses of webhooks stay with quire.
    let names = variables.iter().map(|(name, _)| name.clone());
    let pass_env = names.filter(|name| !TARGET_VARIABLES.contains(&name.as_str())).collect();
    let additions = Additions { list: Some(list), pass_env, ..Additions::default() };
    serve_alone(data, ServeExtras { additions, shows_output: true, variables, ..ServeExtras::default() })
}
