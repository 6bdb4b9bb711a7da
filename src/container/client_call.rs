//! A call of the engine's client that takes as long as a step may: it runs as one does.

use std::time::Duration;

use tokio::sync::watch;

use super::engine::{Engine, error_output};
use crate::executor::{Environment, Host, NotRun, Program, StepSpec};
use crate::log::Sink;
use crate::model::chain;
use crate::script::HostError;

/// The longest that pulling an image may take.
pub(super) const PULL_LIMIT: Duration = Duration::from_secs(1800);

/// How long an engine's client may take to clean up by itself.
const ENGINE_SETTLE: Duration = Duration::from_secs(10);

/// How long an engine's client that was asked to end has for it.
const ENGINE_GRACE: Duration = Duration::from_secs(10);

/// What a step needs while it gets its image.
pub(super) struct Getting<'a> {
    pub(super) executor: &'a Host,
    pub(super) log: &'a mut dyn Sink,
    pub(super) name: &'a str,
    pub(super) stop: watch::Receiver<bool>,
    /// How long the step may take.
    pub(super) limit: Option<Duration>,
}

impl Getting<'_> {
    /// Lets the engine's client get an image, within the time of the step.
    ///
    /// # Errors
    /// It does not; `failed` says what was not done, and why.
    pub(super) async fn run(
        &mut self,
        engine: &Engine,
        args: Vec<Vec<u8>>,
        failed: impl Fn(&str) -> String,
    ) -> Result<(), NotRun> {
        let own = self.limit.filter(|limit| *limit <= PULL_LIMIT);
        let spec = client_spec(engine, args, self.name, own.unwrap_or(PULL_LIMIT))?;
        let ended = self.executor.run_step(&spec, self.log, self.stop.clone()).await;
        let end = ended.map_err(|error| HostError::Refused(chain(&error)))?;
        // A client that is asked to end exits with 0, too.
        match (end.timed_out, end.stopped) {
            (true, _) if own.is_some() => Err(NotRun::TimedOut(failed("timed out"))),
            (true, _) => Err(refused_step(failed("timed out"))),
            (false, true) => Err(refused_step(failed("it was stopped"))),
            (false, false) if end.exit == 0 => Ok(()),
            (false, false) => {
                Err(refused_step(failed(&error_output(&end.stderr.read().unwrap_or_default()))))
            }
        }
    }
}

/// A call of the engine's client as a step.
///
/// # Errors
/// Its environment is invalid.
pub(super) fn client_spec(
    engine: &Engine,
    args: Vec<Vec<u8>>,
    name: &str,
    limit: Duration,
) -> Result<StepSpec, HostError> {
    let mut env = Environment::default();
    for (name, value) in &engine.env {
        env.set(name.clone(), value.clone()).map_err(|error| HostError::Refused(error.to_string()))?;
    }
    let program = std::os::unix::ffi::OsStrExt::as_bytes(engine.program.as_os_str()).to_vec();
    Ok(StepSpec {
        name: name.to_owned(),
        program: Program::Argv([vec![program], args].concat()),
        env,
        cwd: "/".into(),
        input: None,
        timeout: Some(limit),
        grace: ENGINE_GRACE,
        settle: ENGINE_SETTLE,
        confinement: None,
        is_client: true,
        capture_limit: 64 << 10,
    })
}

/// That a step could not be run, which the script hears of.
pub(super) fn refused_step(problem: String) -> NotRun {
    HostError::Refused(problem).into()
}
