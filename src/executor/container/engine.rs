//! The container engine of this machine: podman, else docker, spoken to by its command line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};

use crate::sys::process::Exit;
use crate::sys::program_output::answer;
use crate::sys::spawn::Launch;

/// How long a call may take that only asks or removes.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// The most of an answer that is read, in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// The code of the problem that there is no engine.
pub const UNAVAILABLE: &str = "container.runtime.unavailable";

/// What engines read of the environment that quire was started with.
pub const ENGINE_VARIABLES: [&str; 24] = [
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

/// Folders beside `PATH` where engines find what they need.
const MORE_PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// Where podman looks for its init.
pub const CATATONIT: [&str; 3] =
    ["/usr/libexec/podman/catatonit", "/usr/local/libexec/podman/catatonit", "/usr/lib/podman/catatonit"];

/// What is there when cgroup v2 is mounted beside version 1.
pub const HYBRID: &str = "/sys/fs/cgroup/unified/cgroup.procs";

/// What is there when only cgroup v2 is mounted.
const UNIFIED: &str = "/sys/fs/cgroup/cgroup.controllers";

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// Podman.
    Podman,
    /// Docker.
    Docker,
}

/// A container engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Which one.
    pub kind: EngineKind,
    /// Its client.
    pub program: PathBuf,
    /// The OCI runtime that it is told to use; else its own choice.
    pub runtime: Option<&'static str>,
    /// Whether it has an init for containers: then signals end what runs in them, as they do on the host.
    pub has_init: bool,
    /// Whether its root is the account that quire runs as, and no other account of the host is anybody in it.
    pub is_rootless: bool,
    /// Whether it can limit what a container takes.
    pub has_limits: bool,
    /// The client's environment.
    pub env: Vec<(OsString, OsString)>,
}

/// Why a container cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine is here.
    #[error(
        "{UNAVAILABLE}: neither podman nor docker is in PATH; install one (Debian: apt-get install podman)"
    )]
    Missing,
    /// The engine does not work.
    #[error("{UNAVAILABLE}: {engine} does not work here: {complaint}")]
    Unusable {
        /// The engine.
        engine: &'static str,
        /// What it said.
        complaint: String,
    },
    /// A call of it went wrong.
    #[error("could not call {engine}")]
    Call {
        /// The engine.
        engine: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A call of it did not end.
    #[error("{engine} did not answer within {} s", CALL_LIMIT.as_secs())]
    TimedOut {
        /// The engine.
        engine: &'static str,
    },
    /// A call of it was lost.
    #[error("a call of the container engine was lost: {0}")]
    Lost(String),
    /// It refused.
    #[error("{engine} {what}: {complaint}")]
    Refused {
        /// The engine.
        engine: &'static str,
        /// What was not done.
        what: &'static str,
        /// What it said.
        complaint: String,
    },
}

/// What an engine answered.
#[derive(Debug)]
pub struct Called {
    /// Its exit.
    pub exit: Exit,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

/// What decides which engine there is and how it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Host {
    /// Whether cgroup v2 is mounted beside version 1, which crun refuses.
    is_hybrid: bool,
    /// Whether podman's init is where it looks for it.
    has_catatonit: bool,
    /// Whether quire runs as root.
    is_root: bool,
    /// Whether there is only cgroup v2, of which accounts can be given parts.
    is_unified: bool,
}

impl EngineKind {
    /// The name of its client.
    pub fn as_str(self) -> &'static str {
        match self {
            EngineKind::Podman => "podman",
            EngineKind::Docker => "docker",
        }
    }
}

impl Engine {
    /// Finds the engine of this machine in the `PATH` of `env`: podman first, else docker.
    ///
    /// # Errors
    /// There is none.
    pub fn find(env: &BTreeMap<OsString, OsString>) -> Result<Engine, EngineError> {
        let host = Host {
            is_hybrid: Path::new(HYBRID).exists(),
            has_catatonit: CATATONIT.iter().any(|file| Path::new(file).exists()),
            is_root: rustix::process::geteuid().is_root(),
            is_unified: Path::new(UNIFIED).exists(),
        };
        Engine::choose(env, host)
    }

    fn choose(env: &BTreeMap<OsString, OsString>, host: Host) -> Result<Engine, EngineError> {
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
            .find_map(|kind| Some((kind, search(looked_in, kind.as_str())?)));
        let (kind, program) = found.ok_or(EngineError::Missing)?;
        let needs_runc = kind == EngineKind::Podman && host.is_hybrid && search(&path, "crun").is_some();
        let runtime = (needs_runc && search(&path, "runc").is_some()).then_some("runc");
        let mut env: Vec<_> = ENGINE_VARIABLES
            .iter()
            .filter_map(|name| env.get_key_value(OsStr::new(name)))
            .filter(|(name, _)| *name != "PATH")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        env.push(("PATH".into(), path));
        let has_init = kind == EngineKind::Docker || host.has_catatonit;
        let is_rootless = kind == EngineKind::Podman && !host.is_root;
        let has_limits = !is_rootless || host.is_unified;
        Ok(Engine { kind, program, runtime, has_init, is_rootless, has_limits, env })
    }

    /// Calls the engine and gives what it wrote. Blocking.
    ///
    /// # Errors
    /// When it could not be called, or refused; `what` says what was not done then.
    pub fn call(&self, args: &[&str], what: &'static str) -> Result<Vec<u8>, EngineError> {
        let called = self.try_call(args)?;
        if called.exit.code() == 0 { Ok(called.stdout) } else { Err(self.refused(what, &called.stderr)) }
    }

    /// Calls the engine, whatever it answers. Blocking.
    ///
    /// # Errors
    /// When it could not be called.
    pub fn try_call(&self, args: &[&str]) -> Result<Called, EngineError> {
        self.call_within(args, CALL_LIMIT)?.ok_or(EngineError::TimedOut { engine: self.kind.as_str() })
    }

    /// Calls the engine, whatever it answers; nothing when the answer does not come in time. Blocking.
    ///
    /// # Errors
    /// When it could not be called.
    pub fn call_within(&self, args: &[&str], limit: Duration) -> Result<Option<Called>, EngineError> {
        let engine = self.kind.as_str();
        let launch = Launch {
            program: self.program.clone(),
            args: std::iter::once(&engine).chain(args).map(OsString::from).collect(),
            env: self.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())).collect(),
            cwd: Path::new("/"),
            has_input: false,
            cgroup: None,
            transition: None,
            kept: None,
        };
        let answered =
            answer(launch, limit, MAX_ANSWER).map_err(|source| EngineError::Call { engine, source })?;
        let Some(exit) = answered.exit else { return Ok(None) };
        Ok(Some(Called { exit, stdout: answered.stdout, stderr: answered.stderr }))
    }

    /// What the engine complains about, as an error.
    pub fn refused(&self, what: &'static str, stderr: &[u8]) -> EngineError {
        let (engine, complaint) = (self.kind.as_str(), complaint(stderr));
        EngineError::Refused { engine, what, complaint }
    }

    /// Asks the engine whether it works, and gives its version. Blocking.
    ///
    /// # Errors
    /// It does not.
    pub fn version(&self) -> Result<String, EngineError> {
        let format = match self.kind {
            EngineKind::Podman => "{{.Client.Version}}",
            EngineKind::Docker => "{{.Server.Version}}",
        };
        let called = self.try_call(&["version", "--format", format])?;
        let version = String::from_utf8_lossy(&called.stdout).trim().to_owned();
        if called.exit.code() == 0 && !version.is_empty() {
            return Ok(version);
        }
        Err(EngineError::Unusable { engine: self.kind.as_str(), complaint: complaint(&called.stderr) })
    }
}

/// The last line that an engine wrote, which says what is wrong; lines before it are warnings.
pub fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
    let line = line.strip_prefix("Error: ").unwrap_or(line);
    line.chars().take(500).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn search(path: &OsStr, name: &str) -> Option<PathBuf> {
    let folders = path.as_bytes().split(|byte| *byte == b':').filter(|folder| folder.starts_with(b"/"));
    folders
        .map(|folder| Path::new(OsStr::from_bytes(folder)).join(name))
        .find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok())
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
        let is_unified = !is_hybrid;
        Engine::choose(&env, Host { is_hybrid, has_catatonit: false, is_root, is_unified })
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
    fn the_last_line_is_the_complaint() {
        assert_eq!(complaint(b"level=warning x\nError: no such image\n\n"), "no such image");
        assert_eq!(complaint(b""), "it said nothing");
    }
}
