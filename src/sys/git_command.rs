//! Starting the system's git, always with a scrubbed environment and a deadline.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::children;
use super::pidfd::{PidFd, wait_all};
use super::process::Exit;

/// How long a git that quire starts may take.
const DEADLINE: Duration = Duration::from_secs(600);

/// The most of git's complaint that an error carries, in bytes.
const MAX_COMPLAINT: usize = 4096;

/// The git in `PATH`, sought once: a program that is named by its path can be started without a copy of this process.
#[expect(clippy::disallowed_methods, reason = "git is found by PATH")]
static GIT: LazyLock<OsString> = LazyLock::new(|| {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|file| file.is_file());
    found.map_or_else(|| "git".into(), OsString::from)
});

/// The variables that lead a git to another repository than the one it is started in, or change how it reads that: a
/// hook has them.
const OF_A_REPOSITORY: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// One call of the system's git. No configuration but the repository's own, unless it is [`GitCommand::of_person`]; no
/// prompt, no hook.
pub struct GitCommand {
    is_of_person: bool,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    program: OsString,
    deadline: Duration,
}

/// Why a call of git did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git, or it could not be started.
    #[error("could not start `{program}`")]
    Start {
        /// The program, as it was asked for.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Waiting for it or reading its output failed.
    #[error("could not follow `git {command}`")]
    Follow {
        /// The arguments.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("`git {command}` failed (exit code {exit}): {complaint}")]
    Failed {
        /// The arguments.
        command: String,
        /// Its exit code.
        exit: i32,
        /// What it wrote to its standard error.
        complaint: String,
    },
    /// It did not end in time and was killed.
    #[error("`git {command}` did not end within {} s", deadline.as_secs())]
    TimedOut {
        /// The arguments.
        command: String,
        /// The time that it had.
        deadline: Duration,
    },
}

impl std::fmt::Debug for GitCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the environment, which may hold a credential.
        f.debug_struct("GitCommand").field("args", &self.args).finish_non_exhaustive()
    }
}

impl GitCommand {
    /// A call of the git in `PATH`.
    #[expect(clippy::new_without_default, reason = "a call without arguments is no sensible default")]
    pub fn new() -> GitCommand {
        GitCommand {
            is_of_person: false,
            args: Vec::new(),
            envs: Vec::new(),
            program: "git".into(),
            deadline: DEADLINE,
        }
    }

    /// A call as the person who started quire would make it: with their configuration and environment, apart from
    /// what leads to another repository.
    pub fn of_person() -> GitCommand {
        GitCommand { is_of_person: true, ..GitCommand::new() }
    }

    /// A call that works on the repository in this folder.
    pub fn in_repo(git_dir: &Path) -> GitCommand {
        GitCommand::new().arg("--git-dir").arg(git_dir)
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> GitCommand {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> GitCommand {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> GitCommand {
        self.envs.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Calls this program instead of the git in `PATH`.
    #[must_use]
    pub fn program(mut self, program: impl AsRef<OsStr>) -> GitCommand {
        self.program = program.as_ref().to_owned();
        self
    }

    /// Kills it after this long.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> GitCommand {
        self.deadline = deadline;
        self
    }

    /// Runs it with nothing on its standard input and gives what it wrote to its standard output.
    ///
    /// # Errors
    /// Says whether it could not start, failed, or was killed at its deadline.
    pub fn run(self) -> Result<Vec<u8>, GitError> {
        self.run_with(&[])
    }

    /// Runs it with these bytes on its standard input.
    ///
    /// # Errors
    /// As [`GitCommand::run`].
    pub fn run_with(self, input: &[u8]) -> Result<Vec<u8>, GitError> {
        let command = self.shown();
        let mut stdout = self.run_to_file(input)?;
        read_back(&mut stdout).map_err(|source| GitError::Follow { command, source })
    }

    /// Runs it with these bytes on its standard input and gives a file without a name, at its start, that holds what
    /// it wrote to its standard output.
    ///
    /// # Errors
    /// As [`GitCommand::run`].
    pub fn run_to_file(self, input: &[u8]) -> Result<File, GitError> {
        let command = self.shown();
        let follow = |source| GitError::Follow { command: command.clone(), source };
        // Files instead of pipes: no reader can be the reason that git waits, and no thread is needed.
        let mut stdin = tempfile::tempfile().map_err(follow)?;
        io::Write::write_all(&mut stdin, input).map_err(follow)?;
        stdin.rewind().map_err(follow)?;
        let mut stdout = tempfile::tempfile().map_err(follow)?;
        let mut stderr = tempfile::tempfile().map_err(follow)?;
        let mut prepared = self.prepare();
        prepared
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout.try_clone().map_err(follow)?))
            .stderr(Stdio::from(stderr.try_clone().map_err(follow)?));
        // Known as one's own child: the server reaps the others.
        let (pid, ()) = children::start(|| {
            let child = prepared.spawn()?;
            let pid =
                i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
            Ok((pid, ()))
        })
        .map_err(|source| GitError::Start { program: self.program.display().to_string(), source })?;
        let (in_time, exit) = wait_until_end(pid, self.deadline).map_err(follow)?;
        if !in_time {
            return Err(GitError::TimedOut { command, deadline: self.deadline });
        }
        if exit.code() != 0 {
            let complaint = read_back(&mut stderr).map_err(follow)?;
            let complaint = complaint.get(..MAX_COMPLAINT).unwrap_or(&complaint);
            let complaint = String::from_utf8_lossy(complaint).trim().to_owned();
            return Err(GitError::Failed { command, exit: exit.code(), complaint });
        }
        stdout.rewind().map_err(follow)?;
        Ok(stdout)
    }

    /// The arguments for people.
    fn shown(&self) -> String {
        self.args.iter().map(|arg| arg.display().to_string()).collect::<Vec<_>>().join(" ")
    }

    /// The process as it will be started: its own group, an empty environment but for what is listed here.
    #[expect(clippy::disallowed_methods, reason = "this is the door to git, and git is found by PATH")]
    pub(super) fn prepare(&self) -> Command {
        let mut command = Command::new(if self.program == "git" { GIT.as_os_str() } else { &self.program });
        command.process_group(0);
        if self.is_of_person {
            for name in OF_A_REPOSITORY {
                command.env_remove(name);
            }
        } else {
            command.env_clear();
            for name in ["PATH", "HOME", "TMPDIR"] {
                if let Some(value) = std::env::var_os(name) {
                    command.env(name, value);
                }
            }
            command
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_PROTOCOL_FROM_USER", "0");
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .args(&self.args);
        command
    }
}

/// Waits for the end of a process and reaps it; at the deadline kills its group. Says whether it ended in time, and how.
fn wait_until_end(pid: Pid, deadline: Duration) -> io::Result<(bool, Exit)> {
    let process = PidFd::open(pid)?.ok_or(io::ErrorKind::NotFound)?;
    let in_time = wait_all(vec![&process], deadline).is_empty();
    if !in_time {
        // The group may be gone by now, which is as good.
        let _ = kill_process_group(pid, Signal::KILL);
    }
    loop {
        if let Some(exit) = children::reap_own(pid) {
            return Ok((in_time, exit));
        }
        wait_all(vec![&process], deadline);
    }
}

/// Everything that was written to a file.
fn read_back(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_sees_no_configuration_but_the_repository_s() {
        let listed = GitCommand::new().args(["config", "--list", "--show-scope"]).run().unwrap();
        let listed = String::from_utf8(listed).unwrap();
        assert!(!listed.contains("system") && !listed.contains("global"), "{listed}");
    }

    #[test]
    fn a_failure_carries_the_complaint() {
        let error = GitCommand::new().args(["cat-file", "-t", "nothing"]).run().unwrap_err();
        assert!(matches!(&error, GitError::Failed { complaint, .. } if complaint.starts_with("fatal")));
        let error = GitCommand::new().program("/no/such/git").run().unwrap_err();
        assert!(matches!(error, GitError::Start { .. }));
    }

    #[test]
    fn a_git_that_hangs_is_killed() {
        let call = GitCommand::new().program("sleep").arg("60").deadline(Duration::from_millis(50));
        assert!(matches!(call.run().unwrap_err(), GitError::TimedOut { .. }));
    }

    #[test]
    fn input_and_output_go_through() {
        let id = GitCommand::new().args(["hash-object", "--stdin"]).run_with(b"hello\n").unwrap();
        assert_eq!(id, b"ce013625030ba8dba906f756967f9e9ca394464a\n");
    }
}
