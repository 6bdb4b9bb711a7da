//! quire called as a git hook: it knows its job by its file name.

use std::io::{BufReader, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

use super::exit::{Code, print_error};
use super::next_command::{Caller, next_command};
use super::place::{data_dir, variable};
use crate::config::DataDir;
use crate::event::PushCertificate;
use crate::intake::{HookEnvironment, over_http, post_receive, pre_receive, resolve};
use crate::sys::ready::unbuffered;
use crate::sys::search_path::find_program;
use crate::sys::signals::exit_well_on_signals;
use crate::sys::user;

/// The hook that a program name means, if it means one.
pub fn hook_name(program: Option<&std::ffi::OsStr>) -> Option<fn() -> ExitCode> {
    match Path::new(program?).file_name()?.to_str()? {
        "pre-receive" => Some(run_pre_receive),
        "post-receive" => Some(run_post_receive),
        _ => None,
    }
}

/// The environment of a hook: git starts it in the repository, with the push options in variables (githooks(5)).
fn environment() -> HookEnvironment {
    let git_dir = resolve(Path::new("."));
    let count =
        variable("GIT_PUSH_OPTION_COUNT").and_then(|count| count.parse::<usize>().ok()).unwrap_or_default();
    let options = (0..count).map_while(|index| variable(&format!("GIT_PUSH_OPTION_{index}")));
    let pusher = variable("REMOTE_USER").or_else(user::login_name);
    let quarantine = variable("GIT_QUARANTINE_PATH");
    let mut environment = HookEnvironment { quarantine, ..HookEnvironment::new(git_dir, pusher, options) };
    let certificate = PushCertificate::read(|name| variable(&format!("GIT_PUSH_CERT_{name}")));
    environment.options.extend(certificate.and_then(|certificate| certificate.to_option()));
    environment
}

fn run_pre_receive() -> ExitCode {
    match pre_receive(&environment(), &mut BufReader::new(stdin())) {
        Ok(()) => ExitCode::from(Code::Done as u8),
        Err(line) => {
            print_error(&format!("error: {line}\n"));
            ExitCode::from(Code::Failed as u8)
        }
    }
}

/// How the pusher calls quire from where the push came from.
fn command(git_dir: &Path) -> Option<String> {
    if let Some(url) = variable("QUIRE_PUSHED_TO") {
        return Some(over_http(&url));
    }
    let data = DataDir::of_repository(git_dir)?;
    let path = variable("PATH").unwrap_or_default();
    let program = match find_program("quire", path.as_ref()) {
        Some(_) => None,
        None => Some(std::env::current_exe().ok()?),
    };
    let default = data_dir(None).ok();
    let ssh_connection = variable("SSH_CONNECTION");
    // Only `ssh` names it, and looking it up reads the accounts of the machine.
    let account = ssh_connection.as_ref().and_then(|_| user::login_name());
    let caller = Caller {
        ssh_connection: ssh_connection.as_deref(),
        account: account.as_deref(),
        default: default.as_ref(),
        program: program.as_deref(),
    };
    Some(next_command(&caller, &data))
}

fn run_post_receive() -> ExitCode {
    let mut environment = environment();
    if let Some(command) = command(&environment.git_dir) {
        environment.command = command;
    }
    // The push is recorded, and nobody may learn otherwise from how this process ends.
    exit_well_on_signals();
    if let Ok(output) = unbuffered(&stdout()) {
        post_receive(&environment, &mut BufReader::new(stdin()), output);
    }
    ExitCode::from(Code::Done as u8)
}
