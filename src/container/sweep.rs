//! Finding containers again: by their labels, never by their names.

use std::path::Path;
use std::time::Duration;

use super::engine::{Called, Engine, EngineError};
use crate::model::RunMark;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Signal, environment_has};

/// The label by which the containers of a run are found: its mark, which names the data folder, too.
const MARK: &str = "quire.mark";

/// The most containers that one call removes.
const MAX_AT_ONCE: usize = 64;

/// How often a container is tried to be removed.
const REMOVE_TRIES: u32 = 5;

/// How long to wait before it is tried again.
const REMOVE_PAUSE: Duration = Duration::from_millis(100);

/// The labels of a container: the mark by which quire finds it, and for people the data folder, the run, and the job and
/// step that asked for it.
pub(crate) fn labels(mark: RunMark, data: &Path, job: &str, of: &str) -> Vec<(String, String)> {
    vec![
        (MARK.to_owned(), mark.to_string()),
        ("quire.instance".to_owned(), data.to_string_lossy().into_owned()),
        // What is run again is a run of its own.
        ("quire.attempt".to_owned(), "1".to_owned()),
        ("quire.run".to_owned(), mark.run.to_string()),
        ("quire.job".to_owned(), job.to_owned()),
        ("quire.of".to_owned(), of.to_owned()),
    ]
}

impl Engine {
    /// Removes containers by name, whatever they are doing; those that are not there are no error. Blocking.
    ///
    /// # Errors
    /// One could not be removed.
    pub(crate) fn remove(&self, containers: &[String]) -> Result<(), EngineError> {
        for some in containers.chunks(MAX_AT_ONCE) {
            let mut args = vec!["rm", "--force", "--volumes"];
            if self.kind == super::engine::EngineKind::Podman {
                // Podman waits for ten seconds else.
                args.extend(["--time=0", "--ignore"]);
            }
            args.push("--");
            args.extend(some.iter().map(String::as_str));
            // Engines refuse to remove what ends by itself at that moment; what they remove already is theirs to end.
            let mut tries = 1;
            loop {
                match self.try_remove(&args) {
                    Ok(true) => break,
                    Ok(false) if tries == REMOVE_TRIES => break,
                    Err(error) if tries == REMOVE_TRIES => return Err(error),
                    Ok(false) | Err(_) => tries += 1,
                }
                std::thread::sleep(REMOVE_PAUSE);
            }
        }
        Ok(())
    }

    /// Whether they are gone; they are not yet when the engine is at it.
    fn try_remove(&self, args: &[&str]) -> Result<bool, EngineError> {
        let called = self.try_call(args)?;
        if called.exit.code() == 0 {
            return Ok(true);
        }
        let refused = || self.refused("could not remove a container", &called.stderr);
        what_is_left(&String::from_utf8_lossy(&called.stderr)).ok_or_else(refused)
    }

    /// Removes every container of a run, and says how many there were. Blocking.
    ///
    /// # Errors
    /// They could not be listed, or one could not be removed.
    pub(crate) fn sweep(&self, mark: RunMark) -> Result<usize, EngineError> {
        let filter = format!("label={MARK}={mark}");
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
    pub(crate) fn is_running(&self, container: &str) -> Result<bool, EngineError> {
        let args = ["container", "inspect", "--format", "{{.State.Running}}", "--", container];
        Ok(self.try_call(&args)?.stdout.starts_with(b"true"))
    }

    /// The exit of a container that has ended and is still known. Blocking.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub(crate) fn exit_of(&self, container: &str) -> Result<Option<i32>, EngineError> {
        let args =
            ["container", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "--", container];
        let said = String::from_utf8_lossy(&self.try_call(&args)?.stdout).trim().to_owned();
        // One that was only created has the exit 0, too.
        let has_ended = |status: &str| matches!(status, "exited" | "stopped" | "removing" | "dead");
        let (status, exit) = said.split_once(' ').unwrap_or_default();
        Ok(exit.parse().ok().filter(|_| has_ended(status)))
    }

    /// Asks the program of a container to end. Blocking.
    ///
    /// # Errors
    /// The container does not run.
    pub(crate) fn ask_to_end(&self, container: &str) -> Result<(), EngineError> {
        self.call(&["kill", "--signal=TERM", container], "could not ask a container to end").map(drop)
    }

    /// Runs a command in a container, and gives what it answered; nothing when it did not end in time, and was ended then, as far
    /// as quire's account may. Blocking.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub(crate) fn exec(
        &self,
        container: &str,
        command: &[Vec<u8>],
        limit: Duration,
    ) -> Result<Option<Called>, EngineError> {
        let words: Vec<String> =
            command.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let mark = format!("QUIRE_HEALTH={container}");
        let args: Vec<&str> =
            ["exec", "--env", &mark, container].into_iter().chain(words.iter().map(String::as_str)).collect();
        let called = self.call_within(&args, limit)?;
        if called.is_none() {
            // The engine's client ends without the command.
            for pid in process::all().into_iter().filter(|pid| environment_has(*pid, &[mark.as_bytes()])) {
                let found = PidFd::open(pid).ok().flatten();
                let _of_another_user = found.map(|found| found.signal(Signal::KILL));
            }
        }
        Ok(called)
    }

    /// Whether a container that has ended was ended because its memory was used up. Blocking.
    ///
    /// # Errors
    /// The engine does not know the container.
    pub(crate) fn was_out_of_memory(&self, container: &str) -> Result<bool, EngineError> {
        let args = ["container", "inspect", "--format", "{{.State.OOMKilled}}", "--", container];
        Ok(self.call(&args, "could not look at a container")?.starts_with(b"true"))
    }

    /// The mark of the container of this name, empty without one; nothing when the container does not exist. Blocking.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub(crate) fn mark_of(&self, container: &str) -> Result<Option<String>, EngineError> {
        let format = format!("{{{{index .Config.Labels \"{MARK}\"}}}}");
        let called = self.try_call(&["container", "inspect", "--format", &format, "--", container])?;
        let text = String::from_utf8_lossy(&called.stdout).trim().to_owned();
        Ok((called.exit.code() == 0).then_some(text))
    }
}

/// Reads what an engine complained about, one container a line: whether all of them are gone, or nothing when one of
/// them could not be removed.
fn what_is_left(error_output: &str) -> Option<bool> {
    let lines = error_output.lines().map(str::to_lowercase).filter(|line| !line.trim().is_empty());
    let mut all_gone = None;
    for line in lines {
        let is_gone = line.contains("no such container");
        if !is_gone && !line.contains("already in progress") {
            return None;
        }
        all_gone = Some(is_gone && all_gone.unwrap_or(true));
    }
    all_gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_could_not_be_removed_is_not_hidden_by_one_that_is_gone() {
        let (gone, at_it) = (
            "Error: No such container: a\n",
            "Error response from daemon: removal of container b is already in progress\n",
        );
        let stays =
            "Error response from daemon: container c: driver \"overlay2\" failed to remove root filesystem\n";
        assert_eq!(what_is_left(gone), Some(true));
        assert_eq!(what_is_left(&format!("{gone}{at_it}")), Some(false));
        assert_eq!(what_is_left(&format!("{at_it}{gone}")), Some(false));
        assert_eq!(what_is_left(&format!("{gone}{stays}")), None);
        assert_eq!(what_is_left(""), None);
    }
}
