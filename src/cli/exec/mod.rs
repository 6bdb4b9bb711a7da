//! `quire exec`: what sshd runs instead of a shell. It knows who has come by the key, takes the command apart as a shell would,
//! and does it when it is one of git's or quire's own; everything else is refused with one line.

mod authorized_keys;
mod git;
mod identity;

use clap::Args;

use super::exit::{Code, Ended, Failure};
use super::over_ssh;
use super::place::variable;
use crate::config::DataDir;
use crate::model::{Quoted, shell_words};

pub(super) use identity::Who;

/// The longest command that is read, in bytes.
const MAX_COMMAND: usize = 16 * 1024;

/// How the words begin by which sshd asks for keys.
const AUTHORIZED_KEYS: &str = "authorized-keys";

/// What `quire exec` is given by sshd's settings, not by who connects.
#[derive(Debug, Args)]
pub(super) struct ExecArgs {
    /// The number of the key that was used; written by `quire exec authorized-keys`
    #[arg(long, value_name = "NUMBER", conflicts_with = "user")]
    key: Option<i64>,
    /// Who has come, for a line of authorized_keys that is written by hand
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// `authorized-keys %u %t %k` for AuthorizedKeysCommand; otherwise the command, instead of SSH_ORIGINAL_COMMAND
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// `quire exec`.
pub(super) fn perform(data: &DataDir, args: ExecArgs) -> Ended {
    if args.words.first().is_some_and(|word| word == AUTHORIZED_KEYS) {
        return authorized_keys::print_line(data, args.words.get(1..).unwrap_or_default());
    }
    let words = if args.words.is_empty() { given_words()? } else { args.words };
    let who = identity::find(data, args.key, args.user.as_deref())?;
    match words.split_first() {
        None => Err(refused(&who, "this account has no shell")),
        Some((program, rest)) if program == "quire" => over_ssh::perform(rest, data, &who),
        Some((program, rest)) => match git::Service::parse(program, rest) {
            Some((service, rest)) => Err(git::serve(data, &who, service, rest)),
            None => Err(refused(&who, &format!("{} is not a command here", Quoted::new(program)))),
        },
    }
}

/// The words of the command that the client has sent.
fn given_words() -> Result<Vec<String>, Failure> {
    let line = variable("SSH_ORIGINAL_COMMAND").unwrap_or_default();
    if line.len() > MAX_COMMAND {
        let text = format!("the command is longer than {MAX_COMMAND} bytes");
        return Err(Failure::new(Code::Usage, text));
    }
    shell_words(&line).map_err(|error| Failure::new(Code::Usage, error))
}

/// The one line for everything that is not done.
fn refused(who: &Who, what: &str) -> Failure {
    let name = who.name().map(|name| format!(", {name}")).unwrap_or_default();
    Failure::new(Code::Usage, format!("{what}{name}; git fetches and pushes here, and `quire …` works"))
}
