//! Finding containers again: by their labels, never by their names.

use std::time::Duration;

use super::engine::{Engine, EngineError};
use crate::model::RunId;

/// The label of every container of a run.
const RUN: &str = "quire.run";

/// The most containers that one call removes.
const MAX_AT_ONCE: usize = 64;

/// How often a container is tried to be removed.
const REMOVE_TRIES: u32 = 5;

/// How long to wait before it is tried again.
const REMOVE_PAUSE: Duration = Duration::from_millis(100);

/// The labels of a container: the run that it belongs to, and the job and step that asked for it.
pub fn labels(run: RunId, job: &str, of: &str) -> Vec<(String, String)> {
    vec![
        (RUN.to_owned(), run.to_string()),
        ("quire.job".to_owned(), job.to_owned()),
        ("quire.of".to_owned(), of.to_owned()),
    ]
}

impl Engine {
    /// Removes containers by name, whatever they are doing; those that are not there are no error. Blocking.
    ///
    /// # Errors
    /// One could not be removed.
    pub fn remove(&self, containers: &[String]) -> Result<(), EngineError> {
        for some in containers.chunks(MAX_AT_ONCE) {
            let mut args = vec!["rm", "--force", "--volumes"];
            if self.kind == super::engine::EngineKind::Podman {
                // Podman waits for ten seconds else.
                args.extend(["--time=0", "--ignore"]);
            }
            args.push("--");
            args.extend(some.iter().map(String::as_str));
            // Engines refuse to remove what ends by itself at that moment.
            let mut tries = 1;
            while let Err(error) = self.try_remove(&args) {
                if tries == REMOVE_TRIES {
                    return Err(error);
                }
                tries += 1;
                std::thread::sleep(REMOVE_PAUSE);
            }
        }
        Ok(())
    }

    fn try_remove(&self, args: &[&str]) -> Result<(), EngineError> {
        let called = self.try_call(args)?;
        let complaint = String::from_utf8_lossy(&called.stderr).to_lowercase();
        let is_gone = complaint.contains("no such container") || complaint.contains("already in progress");
        if called.exit.code() == 0 || is_gone {
            return Ok(());
        }
        Err(self.refused("could not remove a container", &called.stderr))
    }

    /// Removes every container of a run, and says how many there were. Blocking.
    ///
    /// # Errors
    /// They could not be listed, or one could not be removed.
    pub fn sweep(&self, run: RunId) -> Result<usize, EngineError> {
        let filter = format!("label={RUN}={run}");
        let args = ["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter];
        let listed = self.call(&args, "could not list containers")?;
        let ids: Vec<String> = String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect();
        self.remove(&ids)?;
        Ok(ids.len())
    }

    /// Whether a container runs; one that is not there does not. Blocking.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn is_running(&self, container: &str) -> Result<bool, EngineError> {
        let args = ["container", "inspect", "--format", "{{.State.Running}}", "--", container];
        Ok(self.try_call(&args)?.stdout.starts_with(b"true"))
    }

    /// The exit of a container that has ended and is still known. Blocking.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn exit_of(&self, container: &str) -> Result<Option<i32>, EngineError> {
        let args =
            ["container", "inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", "--", container];
        let said = String::from_utf8_lossy(&self.try_call(&args)?.stdout).trim().to_owned();
        Ok(said.strip_prefix("false ").and_then(|exit| exit.parse().ok()))
    }

    /// Runs a command in a container, and says whether it exited with 0. Blocking.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn exec(&self, container: &str, command: &[Vec<u8>]) -> Result<bool, EngineError> {
        let words: Vec<String> =
            command.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let args: Vec<&str> =
            ["exec", container].into_iter().chain(words.iter().map(String::as_str)).collect();
        Ok(self.try_call(&args)?.exit.code() == 0)
    }

    /// Whether a container that has ended was ended because its memory was used up. Blocking.
    ///
    /// # Errors
    /// The engine does not know the container.
    pub fn was_out_of_memory(&self, container: &str) -> Result<bool, EngineError> {
        let args = ["container", "inspect", "--format", "{{.State.OOMKilled}}", "--", container];
        Ok(self.call(&args, "could not look at a container")?.starts_with(b"true"))
    }

    /// The labels of a container of this name, as the engine lists them; nothing when there is none. Blocking.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn run_of(&self, container: &str) -> Result<Option<String>, EngineError> {
        let format = format!("{{{{index .Config.Labels \"{RUN}\"}}}}");
        let called = self.try_call(&["container", "inspect", "--format", &format, "--", container])?;
        let text = String::from_utf8_lossy(&called.stdout).trim().to_owned();
        Ok((called.exit.code() == 0).then_some(text))
    }
}
