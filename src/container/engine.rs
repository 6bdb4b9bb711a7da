//! The container engine of this machine: podman, otherwise docker, run by its command line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::cgroup::Cgroup;
use crate::sys::process::Exit;
use crate::sys::program::{Finished, Program, ProgramEnd, ProgramLimits};
use crate::sys::search_path::find_program;

/// How long a call may take that only asks or removes.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// The most of an answer that is read, in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// The code of the problem that no engine is available.
pub(crate) const UNAVAILABLE: &str = "container.runtime.unavailable";

/// What engines read of the environment that quire was started with.
pub(crate) const ENGINE_VARIABLES: [&str; 27] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "CONTAINER_HOST",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "REGISTRY_AUTH_FILE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "https_proxy",
    "no_proxy",
];

/// Folders in addition to `PATH` where engines find what they need.
const MORE_PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// Where podman looks for its init.
pub(crate) const CATATONIT: [&str; 3] =
    ["/usr/libexec/podman/catatonit", "/usr/local/libexec/podman/catatonit", "/usr/lib/podman/catatonit"];

/// The folder that exists when cgroup v2 is mounted next to version 1.
pub(crate) const HYBRID: &str = "/sys/fs/cgroup/unified/cgroup.procs";

/// What limits the memory and the processes of a container whose engine is not root's. Version 1 gives accounts none.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineKind {
    Podman,
    Docker,
}

/// A container engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Engine {
    /// Which one.
    pub(crate) kind: EngineKind,
    /// Its client.
    pub(crate) program: PathBuf,
    /// The OCI runtime that it must use; otherwise its own choice.
    pub(crate) runtime: Option<&'static str>,
    /// Whether it has an init for containers: then signals end what runs in them, as they do on the host.
    pub(crate) has_init: bool,
    /// Whether its root is the account that quire runs as, and no other account of the host is anybody in it.
    pub(crate) is_rootless: bool,
    /// Whether it can limit what a container takes.
    pub(crate) has_limits: bool,
    /// The most processors that it gives to a container; an engine that does not say takes any number.
    pub(crate) cpus: Option<u32>,
    /// The client's environment.
    pub(crate) env: Vec<(OsString, OsString)>,
}

/// Why a container is not available.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// No engine is here.
    #[error(
        "{UNAVAILABLE}: neither podman nor docker is in PATH; install one (Debian: apt-get install podman)"
    )]
    Missing,
    /// The engine does not work.
    #[error("{UNAVAILABLE}: {engine} does not work here: {error_output}")]
    Unusable {
        engine: &'static str,
        /// What it said.
        error_output: String,
    },
    /// A call of it went wrong.
    #[error("could not call {engine}")]
    Call {
        engine: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A call of it did not end.
    #[error("{engine} did not answer within {} s", CALL_LIMIT.as_secs())]
    TimedOut { engine: &'static str },
    /// A call of it was lost.
    #[error("a call of the container engine was lost: {0}")]
    Lost(String),
    #[error("{engine} {what}: {error_output}")]
    Refused {
        engine: &'static str,
        /// What was not done.
        what: &'static str,
        /// What it said.
        error_output: String,
    },
}

/// What an engine answered.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) exit: Exit,
    /// What it wrote to its standard output.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub(crate) stderr: Vec<u8>,
}

/// What decides which engine there is and how it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Host {
    /// Whether cgroup v2 is mounted next to version 1, which crun refuses.
    is_hybrid: bool,
    /// Whether podman's init is where it looks for it.
    has_catatonit: bool,
    /// Whether quire runs as root.
    is_root: bool,
    /// Whether [`CONTROLLERS`] are given to the account.
    has_controllers: bool,
}

impl EngineKind {
    /// The name of its client.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }
}

impl Engine {
    /// Finds the engine of this machine in the `PATH` of `env`: podman first, otherwise docker.
    ///
    /// # Errors
    /// No engine is installed.
    pub(crate) fn find(env: &BTreeMap<OsString, OsString>) -> Result<Self, EngineError> {
        let host = Host {
            is_hybrid: Path::new(HYBRID).exists(),
            has_catatonit: CATATONIT.iter().any(|file| Path::new(file).exists()),
            is_root: rustix::process::geteuid().is_root(),
            has_controllers: has_controllers(),
        };
        Self::choose(env, host)
    }

    fn choose(env: &BTreeMap<OsString, OsString>, host: Host) -> Result<Self, EngineError> {
        let own = env.get(OsStr::new("PATH")).map(OsString::as_os_str).unwrap_or_default();
        let mut path = own.to_owned();
        if !path.is_empty() {
            path.push(":");
        }
        path.push(MORE_PATH);
        // The engine itself is looked for only where the operator said.
        let looked_in = if own.is_empty() { OsStr::new(MORE_PATH) } else { own };
        let found = [EngineKind::Podman, EngineKind::Docker]
            .into_iter()
            .find_map(|kind| Some((kind, find_program(kind.as_str(), looked_in)?)));
        let (kind, program) = found.ok_or(EngineError::Missing)?;
        let needs_runc =
            kind == EngineKind::Podman && host.is_hybrid && find_program("crun", &path).is_some();
        let runtime = (needs_runc && find_program("runc", &path).is_some()).then_some("runc");
        let mut env: Vec<_> = ENGINE_VARIABLES
            .iter()
            .filter_map(|name| env.get_key_value(OsStr::new(name)))
            .filter(|(name, _)| *name != "PATH")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        env.push(("PATH".into(), path));
        if kind == EngineKind::Docker {
            // The other builder knows no networks by name and no limits, and takes no image by its id.
            env.push(("DOCKER_BUILDKIT".into(), "0".into()));
        }
        let has_init = kind == EngineKind::Docker || host.has_catatonit;
        let is_rootless = kind == EngineKind::Podman && !host.is_root;
        let has_limits = !is_rootless || host.has_controllers;
        Ok(Self { kind, program, runtime, has_init, is_rootless, has_limits, cpus: None, env })
    }

    /// Whether it sees what this process mounts: podman runs below this process; docker's server does not where mounts stay
    /// in a namespace of quire's own, such as that of a systemd unit (mount_namespaces(7): `master`).
    pub(super) fn sees_mounts(&self) -> bool {
        let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let is_root = |line: &&str| line.split(' ').nth(4) == Some("/");
        self.kind == EngineKind::Podman
            || mounts().lines().rfind(is_root).is_some_and(|line| !line.contains(" master:"))
    }

    /// Calls the engine and gives what it wrote. Blocking.
    ///
    /// # Errors
    /// When it could not be called, or refused; `what` says what was not done then.
    pub(crate) fn call(&self, args: &[&str], what: &'static str) -> Result<Vec<u8>, EngineError> {
        let called = self.try_call(args)?;
        if called.exit.code() == 0 { Ok(called.stdout) } else { Err(self.refused(what, &called.stderr)) }
    }

    /// Calls the engine, whatever it answers. Blocking.
    ///
    /// # Errors
    /// When it could not be called.
    pub(crate) fn try_call(&self, args: &[&str]) -> Result<Called, EngineError> {
        self.call_within(args, CALL_LIMIT)?.ok_or(EngineError::TimedOut { engine: self.kind.as_str() })
    }

    /// Calls the engine, whatever it answers; nothing when the answer does not come in time. Blocking.
    ///
    /// # Errors
    /// When it could not be called.
    pub(crate) fn call_within(&self, args: &[&str], limit: Duration) -> Result<Option<Called>, EngineError> {
        let finished = self.run(args, &ProgramLimits::new(limit, MAX_ANSWER))?;
        let ProgramEnd::Exited(exit) = finished.end else { return Ok(None) };
        Ok(Some(Called { exit, stdout: finished.stdout, stderr: finished.stderr }))
    }

    /// Runs the client within these limits. Blocking.
    ///
    /// # Errors
    /// When it could not be started.
    pub(crate) fn run(&self, args: &[&str], limits: &ProgramLimits<'_>) -> Result<Finished, EngineError> {
        let engine = self.kind.as_str();
        let call = Program::new(&self.program)
            .args(args)
            .clean()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .cwd(Path::new("/"));
        call.run(limits).map_err(|source| EngineError::Call { engine, source })
    }

    /// The error output of the engine, as an error.
    pub(crate) fn refused(&self, what: &'static str, stderr: &[u8]) -> EngineError {
        let (engine, error_output) = (self.kind.as_str(), error_output(stderr));
        EngineError::Refused { engine, what, error_output }
    }

    /// Asks docker's server whether it works, and what it has; podman needs no server that could be absent. Blocking.
    ///
    /// # Errors
    /// It does not work.
    pub(crate) fn ready(self) -> Result<Self, EngineError> {
        if self.kind == EngineKind::Podman {
            return Ok(self);
        }
        let format =
            "{{with .Info}}{{.ServerVersion}} {{.NCPU}} {{.InitCommit.ID}} {{.SecurityOptions}}{{end}}";
        let called = self.ask(&["info", "--format", format])?;
        match Served::parse(&String::from_utf8_lossy(&called.stdout)) {
            Some(served) if called.exit.code() == 0 => {
                let has_limits = !served.is_rootless || has_controllers();
                let Served { cpus, has_init, is_rootless } = served;
                Ok(Self { has_init, is_rootless, has_limits, cpus: Some(cpus), ..self })
            }
            // Some clients do not say here why they have no answer.
            _ => self.version().map(|_version| self),
        }
    }

    /// Asks the engine whether it works, and gives its version. Blocking.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn version(&self) -> Result<String, EngineError> {
        let format = match self.kind {
            EngineKind::Podman => "{{.Client.Version}}",
            EngineKind::Docker => "{{.Server.Version}}",
        };
        let called = self.ask(&["version", "--format", format])?;
        let version = String::from_utf8_lossy(&called.stdout).trim().to_owned();
        if called.exit.code() == 0 && !version.is_empty() {
            return Ok(version);
        }
        Err(EngineError::Unusable { engine: self.kind.as_str(), error_output: error_output(&called.stderr) })
    }

    /// Asks something that an engine which works can answer.
    fn ask(&self, args: &[&str]) -> Result<Called, EngineError> {
        let called = self.try_call(args);
        if let Err(EngineError::TimedOut { engine }) = called {
            let error_output = format!("it did not answer within {} s", CALL_LIMIT.as_secs());
            return Err(EngineError::Unusable { engine, error_output });
        }
        called
    }

    /// What the engine complained about when it was to start a container; nothing when its last word is not its own.
    pub(crate) fn refusal(&self, stderr: &[u8]) -> Option<String> {
        let word = match self.kind {
            EngineKind::Podman => "Error: ",
            EngineKind::Docker => "docker: ",
        };
        last_word(&String::from_utf8_lossy(stderr)).starts_with(word).then(|| error_output(stderr))
    }
}

/// What docker's server has.
#[derive(Debug, PartialEq, Eq)]
struct Served {
    cpus: u32,
    has_init: bool,
    is_rootless: bool,
}

impl Served {
    /// Reads version, processors, the commit of its init (`N/A` without an init, and often empty), and how it
    /// secures containers.
    fn parse(said: &str) -> Option<Self> {
        let mut words = said.split_whitespace().skip(1);
        let cpus = words.next()?.parse().ok().filter(|cpus| *cpus > 0)?;
        let is_rootless = said.contains("name=rootless");
        Some(Self { cpus, has_init: words.next() != Some("N/A"), is_rootless })
    }
}

fn has_controllers() -> bool {
    Cgroup::own().is_some_and(|own| own.has_controllers(&CONTROLLERS))
}

/// The last line of an engine's error output.
pub(crate) fn error_output(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut line = last_word(&text);
    for prefix in ["docker: ", "Error: ", "Error response from daemon: "] {
        line = line.strip_prefix(prefix).unwrap_or(line);
    }
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The last line that an engine wrote, which says what is wrong: lines before it are warnings. After it there can be
/// docker's advice to read its help, and what its client logs about itself.
fn last_word(text: &str) -> &str {
    let is_advice = |line: &str| {
        line.contains(" --help'")
            && ["See 'docker ", "Run 'docker "].iter().any(|word| line.starts_with(word))
    };
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_advice(line));
    let is_logged = |line: &&str| line.starts_with("time=\"") && line.contains(" level=");
    lines().rfind(|line| !is_logged(line)).or_else(|| lines().next_back()).unwrap_or("no error output")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn choose(programs: &[&str], is_hybrid: bool) -> Result<Engine, EngineError> {
        choose_as(programs, is_hybrid, true)
    }

    fn choose_as(programs: &[&str], is_hybrid: bool, is_root: bool) -> Result<Engine, EngineError> {
        let folder = tempfile::tempdir().unwrap();
        for program in programs {
            let file = folder.path().join(program);
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let env = [("PATH", folder.path().as_os_str()), ("LD_PRELOAD", OsStr::new("x"))];
        let env = env.map(|(name, value)| (name.into(), value.into())).into();
        let has_controllers = !is_hybrid;
        Engine::choose(&env, Host { is_hybrid, has_catatonit: false, is_root, has_controllers })
    }

    #[test]
    fn podman_comes_first_and_without_either_the_problem_has_its_code() {
        assert_eq!(choose(&["docker", "podman"], false).unwrap().kind, EngineKind::Podman);
        assert_eq!(choose(&["docker"], false).unwrap().kind, EngineKind::Docker);
        let missing = choose(&["pod"], false).unwrap_err().to_string();
        assert!(missing.starts_with("container.runtime.unavailable: neither podman nor docker"), "{missing}");
    }

    #[test]
    fn without_root_podman_is_rootless_and_limits_need_cgroup_v2_alone() {
        let has = |programs: &[&str], is_hybrid| {
            let engine = choose_as(programs, is_hybrid, false).unwrap();
            (engine.is_rootless, engine.has_limits)
        };
        assert_eq!(has(&["podman"], true), (true, false));
        assert_eq!(has(&["podman"], false), (true, true));
        assert_eq!(has(&["docker"], true), (false, true));
        let of_root = choose(&["podman"], true).unwrap();
        assert_eq!((of_root.is_rootless, of_root.has_limits), (false, true));
    }

    #[test]
    fn on_a_hybrid_layout_runc_takes_the_place_of_crun() {
        assert_eq!(choose(&["podman", "crun", "runc"], true).unwrap().runtime, Some("runc"));
        assert_eq!(choose(&["podman", "crun", "runc"], false).unwrap().runtime, None);
        assert_eq!(choose(&["docker", "crun", "runc"], true).unwrap().runtime, None);
    }

    #[test]
    fn the_client_gets_nothing_that_was_not_listed() {
        let engine = choose(&["podman"], false).unwrap();
        let names: Vec<_> = engine.env.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["PATH"]);
    }

    #[test]
    fn the_last_line_is_the_error_output() {
        assert_eq!(error_output(b"level=warning x\nError: no such image\n\n"), "no such image");
        assert_eq!(error_output(b""), "no error output");
        let old = b"docker: Error response from daemon: no network.\nSee 'docker run --help'.\n";
        let new = b"docker: Error response from daemon: no network.\n\nRun 'docker run --help' for more information\n";
        let logged = b"time=\"2026-01-01T00:00:00Z\" level=error msg=\"error waiting for container: context canceled\"\n";
        assert_eq!(error_output(&[&old[..], logged].concat()), "no network.");
        assert!(error_output(logged).contains("context canceled"), "when it is the only line");
        assert_eq!(
            (error_output(old), error_output(new)),
            ("no network.".to_owned(), "no network.".to_owned())
        );
    }

    #[test]
    fn what_dockers_server_has_is_read_and_an_empty_answer_is_an_error() {
        let served = |cpus, has_init| Some(Served { cpus, has_init, is_rootless: false });
        assert_eq!(Served::parse("20.10.24+dfsg1 2  [name=seccomp,profile=default]\n"), served(2, true));
        let rootless = Served::parse("20.10.24 2 de40ad0 [name=seccomp,profile=default name=rootless]");
        assert!(rootless.is_some_and(|served| served.is_rootless));
        assert_eq!(Served::parse("28.2.2 16 de40ad0\n"), served(16, true));
        assert_eq!(Served::parse("20.10.24 2 N/A"), served(2, false));
        for nothing in ["", "\n", " 0 ", "x y z", "20.10.24 0"] {
            assert_eq!(Served::parse(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn docker_builds_with_what_knows_limits() {
        let has = |programs: &[&str]| {
            let engine = choose(programs, false).unwrap();
            engine.env.contains(&("DOCKER_BUILDKIT".into(), "0".into()))
        };
        assert!(has(&["docker"]) && !has(&["podman"]));
    }
}
