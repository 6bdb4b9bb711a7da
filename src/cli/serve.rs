//! `quire serve`, and the runners that it starts.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::exit::{Code, Ended, Failure};
use super::place::{self, environment, variable};
use super::server_log::{LogFormat, log_to_stderr};
use crate::app::clear_caches;
use crate::config::{Additions, Bind, ConfigError, DataDir};
use crate::http::PublicRoutes;
use crate::policy::StartProfiles;
use crate::run::run_from_socket;
use crate::serve::{ServeError, ServeOptions, Stopped};
use crate::sources::SourceRules;
use crate::sys::late_stderr;
use crate::sys::notify::Supervisor;
use crate::sys::reexec::reexec;

/// How a server is started otherwise than `quire serve` does.
#[derive(Debug, Default)]
pub(crate) struct ServeExtras {
    /// What counts as if it stood in `config.fnl`.
    pub(crate) additions: Additions,
    /// Whether what steps say is shown.
    pub(crate) shows_output: bool,
    /// How the log is written.
    pub(crate) log: LogFormat,
    /// Variables that count as the environment's.
    pub(crate) variables: Vec<(String, String)>,
    /// What is answered over TCP.
    pub(crate) routes: PublicRoutes,
    /// Where sources of jobs may come from.
    pub(crate) sources: SourceRules,
}

/// `quire serve`.
pub(super) fn serve(
    data: DataDir,
    (bind, sources): (Option<&str>, SourceRules),
    profiles: StartProfiles,
    has_socket: bool,
    log: &str,
) -> Ended {
    let bind = bind.map(parse_bind).transpose()?;
    let extras = ServeExtras { log: LogFormat::parse(log)?, sources, ..ServeExtras::default() };
    start(data, bind, profiles, has_socket, extras)
}

/// Serves without any listener.
pub(crate) fn serve_alone(data: DataDir, extras: ServeExtras) -> Ended {
    start(data, Some(Bind::Nothing), place::profiles(None)?, false, extras)
}

/// Serves at an address, with these profiles.
pub(crate) fn serve_at(data: DataDir, bind: Bind, profiles: StartProfiles, extras: ServeExtras) -> Ended {
    start(data, Some(bind), profiles, true, extras)
}

fn start(
    data: DataDir,
    bind: Option<Bind>,
    profiles: StartProfiles,
    has_socket: bool,
    extras: ServeExtras,
) -> Ended {
    log_to_stderr(extras.log);
    let binary = std::env::current_exe().map_err(|error| Failure::broken(&error))?;
    let supervisor = variable("NOTIFY_SOCKET").and_then(|address| Supervisor::at(address.as_ref()));
    let options = ServeOptions {
        data: data.clone(),
        bind,
        has_socket,
        supervisor,
        binary: binary.clone(),
        environment: [environment(), extras.variables].concat(),
        additions: extras.additions,
        sources: extras.sources,
        shows_output: extras.shows_output,
        profiles,
        routes: extras.routes,
    };
    match crate::serve::serve(options) {
        Ok(Stopped::BySignal) => Ok(Code::Done),
        Ok(Stopped::ToStartAgain) => start_again(&data, &binary),
        Err(ServeError::Config(ConfigError::Wrong(wrong))) => Err(Failure::mistakes(&wrong)),
        Err(error @ ServeError::Bind { .. }) => {
            Err(Failure::broken(&error).hint("choose another with --bind ADDR:PORT, or --bind none"))
        }
        Err(error) => Err(Failure::broken(&error)),
    }
}

/// Empties the caches and becomes a new server, in the same process and with the same arguments.
fn start_again(data: &DataDir, binary: &Path) -> Ended {
    match clear_caches(&data.cache()) {
        Ok(count) => tracing::info!(files = count, "the caches are empty; starting again"),
        Err(error) => tracing::error!(%error, "the caches could not be emptied; starting again"),
    }
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let error = reexec(binary, &args);
    Err(Failure::new(Code::Broken, format!("could not start again: {error}"))
        .hint("start quire serve by hand"))
}

fn parse_bind(text: &str) -> Result<Bind, Failure> {
    Bind::parse(text).ok_or_else(|| {
        Failure::new(Code::Usage, format!("`{text}` is not an address with a port"))
            .hint("write it as --bind 127.0.0.1:7878, --bind localhost:7878 or --bind none")
    })
}

/// `quire runner`: leads the run that comes over standard input.
pub(super) fn runner() -> Ended {
    log_to_stderr(LogFormat::Text);
    // A session of its own: the terminal of the server is not the run's.
    let _leader_already = rustix::process::setsid().is_err();
    // Not for the server to say: with a folder to change to, it would have to be copied for each start.
    let _stays_there = rustix::process::chdir("/").is_err();
    let socket: OwnedFd = std::os::fd::AsFd::as_fd(&std::io::stdin())
        .try_clone_to_owned()
        .map_err(|error| Failure::broken(&error))?;
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        late_stderr::make();
        report(panic);
    }));
    // Nothing that the runner starts shall hold the socket.
    if let Ok(null) = std::fs::File::open("/dev/null") {
        let _stays = rustix::stdio::dup2_stdin(&null).is_err();
    }
    run_from_socket(socket).map(|()| Code::Done).map_err(|error| {
        tracing::error!(problem = crate::model::chain(&error), "the runner ends");
        Failure { code: Code::Broken, text: String::new() }
    })
}
