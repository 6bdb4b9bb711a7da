//! Runs the system's git, always with a scrubbed environment and a deadline.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use super::program::{Finished, Keep, Program, ProgramEnd, ProgramLimits};
use super::program_output::ProgramOutput;
use super::search_path::find_program;

/// How long a git that quire starts may take.
const DEADLINE: Duration = Duration::from_secs(600);

/// The most that a call may write to its standard output, in bytes.
const MAX_OUTPUT: usize = 256 << 20;

/// The most of git's error output that an error carries, in bytes.
const MAX_COMPLAINT: usize = 4096;

/// The git in `PATH`, searched once: a program that is started by its path needs no copy of this process.
#[expect(clippy::disallowed_methods, reason = "git is found by PATH")]
static GIT: LazyLock<OsString> = LazyLock::new(|| {
    let found = find_program("git", &std::env::var_os("PATH").unwrap_or_default());
    found.map_or_else(|| "git".into(), OsString::from)
});

/// The variables that lead a git to another repository than the one in its working directory, or change how it reads it: hooks
/// get them from git.
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
pub(crate) struct GitCommand {
    is_of_person: bool,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    program: Option<OsString>,
    deadline: Duration,
}

/// Why a git command failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// Git is missing, or could not be started or waited for.
    #[error("could not run `git {command}`")]
    Start {
        /// The arguments.
        command: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("`git {command}` failed (exit code {exit}): {stderr}")]
    Failed {
        /// The arguments.
        command: String,
        /// Its exit code.
        exit: i32,
        /// Its error output.
        stderr: String,
    },
    /// It wrote too much and was killed.
    #[error("`git {command}` wrote more than {} MiB", most >> 20)]
    TooMuchOutput {
        /// The arguments.
        command: String,
        /// The most it may write, in bytes.
        most: usize,
    },
    /// It did not end in time and was killed.
    #[error("`git {command}` timed out after {} s", deadline.as_secs())]
    TimedOut {
        /// The arguments.
        command: String,
        /// The time that it had.
        deadline: Duration,
    },
}

impl std::fmt::Debug for GitCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the environment, which may contain a credential.
        f.debug_struct("GitCommand").field("args", &self.args).finish_non_exhaustive()
    }
}

impl GitCommand {
    /// A call of the git in `PATH`.
    pub(crate) fn new() -> Self {
        Self { is_of_person: false, args: Vec::new(), envs: Vec::new(), program: None, deadline: DEADLINE }
    }

    /// A command as the person who started quire would run it: with their configuration and environment, apart from
    /// variables that lead to another repository.
    pub(crate) fn of_person() -> Self {
        Self { is_of_person: true, ..Self::new() }
    }

    /// A call that works on the repository in this folder.
    pub(crate) fn in_repo(git_dir: &Path) -> Self {
        Self::new().arg("--git-dir").arg(git_dir)
    }

    /// Adds an argument.
    #[must_use]
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs this program instead of the git in `PATH`.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn program(mut self, program: impl AsRef<OsStr>) -> Self {
        self.program = Some(program.as_ref().to_owned());
        self
    }

    /// Kills it after this long.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it with nothing on its standard input and returns what it wrote to its standard output.
    ///
    /// # Errors
    /// It could not be started, failed, wrote more than [`MAX_OUTPUT`], or was killed at its deadline.
    pub(crate) fn run(self) -> Result<Vec<u8>, GitError> {
        self.run_with(&[])
    }

    /// Runs it with these bytes on its standard input.
    ///
    /// # Errors
    /// As [`GitCommand::run`].
    pub(crate) fn run_with(self, input: &[u8]) -> Result<Vec<u8>, GitError> {
        self.finish(input, Keep::AtMost(MAX_OUTPUT)).map(|finished| finished.stdout)
    }

    /// Runs it with these bytes on its standard input and returns a file without a name, at its start, that holds what
    /// it wrote to its standard output.
    ///
    /// # Errors
    /// As [`GitCommand::run`], without a limit for the output.
    pub(crate) fn run_to_file(self, input: &[u8]) -> Result<File, GitError> {
        let command = self.shown();
        let missing = || GitError::Start { command, source: io::ErrorKind::BrokenPipe.into() };
        self.finish(input, Keep::File)?.file.ok_or_else(missing)
    }

    fn finish(self, input: &[u8], stdout: Keep) -> Result<Finished, GitError> {
        let (command, deadline) = (self.shown(), self.deadline);
        // A person's git may leave a daemon behind, which serves their next command too.
        let limits = ProgramLimits {
            stdout,
            kills_leftovers: !self.is_of_person,
            ..ProgramLimits::new(deadline, MAX_COMPLAINT)
        };
        let finished = match self.prepare().input(input).run(&limits) {
            Ok(finished) => finished,
            Err(source) => return Err(GitError::Start { command, source }),
        };
        match finished.end {
            ProgramEnd::Exited(exit) if exit.code() == 0 => Ok(finished),
            ProgramEnd::Exited(exit) => {
                Err(GitError::Failed { command, exit: exit.code(), stderr: finished.stderr_text() })
            }
            ProgramEnd::TimedOut | ProgramEnd::Cancelled => Err(GitError::TimedOut { command, deadline }),
            ProgramEnd::TooMuchOutput => Err(GitError::TooMuchOutput { command, most: MAX_OUTPUT }),
        }
    }

    /// Runs it within limits and returns how it ended. Blocking.
    ///
    /// # Errors
    /// It could not be started or followed.
    pub(crate) fn run_within(self, limits: &ProgramLimits<'_>) -> io::Result<Finished> {
        self.prepare().run(limits)
    }

    /// Starts it and returns its standard output, which is read while it runs.
    ///
    /// # Errors
    /// It could not be started.
    pub(crate) fn stream(self, time: Duration, memory_bytes: u64) -> io::Result<ProgramOutput> {
        self.prepare().stream(time, memory_bytes)
    }

    /// The arguments for messages.
    fn shown(&self) -> String {
        self.args.iter().map(|arg| arg.display().to_string()).collect::<Vec<_>>().join(" ")
    }

    /// The command to be started: an environment with nothing but what is listed here.
    #[expect(
        clippy::disallowed_methods,
        reason = "git finds its own programs and configuration by these variables"
    )]
    fn prepare(&self) -> Program {
        let mut program = Program::new(self.program.as_deref().unwrap_or(&GIT));
        if self.is_of_person {
            program = program.without(&OF_A_REPOSITORY);
        } else {
            let kept = ["PATH", "HOME", "TMPDIR"].into_iter();
            program =
                program.clean().envs(kept.filter_map(|name| Some((name, std::env::var_os(name)?)))).envs([
                    ("GIT_CONFIG_NOSYSTEM", "1"),
                    ("GIT_CONFIG_GLOBAL", "/dev/null"),
                    ("GIT_PROTOCOL_FROM_USER", "0"),
                ]);
        }
        program
            .envs([
                ("GIT_TERMINAL_PROMPT", "0"),
                ("GIT_OPTIONAL_LOCKS", "0"),
                ("GIT_NO_REPLACE_OBJECTS", "1"),
                ("LC_ALL", "C"),
            ])
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .args(&self.args)
    }
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
    fn a_failure_carries_stderr() {
        let error = GitCommand::new().args(["cat-file", "-t", "nothing"]).run().unwrap_err();
        assert!(matches!(&error, GitError::Failed { stderr, .. } if stderr.starts_with("fatal")));
        let error = GitCommand::new().program("/no/such/git").run().unwrap_err();
        assert!(matches!(error, GitError::Start { .. }));
    }

    #[test]
    fn a_git_that_hangs_is_killed() {
        let call = GitCommand::new().program("sleep").arg("60").deadline(Duration::from_millis(50));
        assert!(matches!(call.run().unwrap_err(), GitError::TimedOut { .. }));
    }

    #[test]
    fn input_and_output_are_passed_through() {
        let id = GitCommand::new().args(["hash-object", "--stdin"]).run_with(b"hello\n").unwrap();
        assert_eq!(id, b"ce013625030ba8dba906f756967f9e9ca394464a\n");
    }
}
