//! A container as arguments of the engine: everything is shut, and what is open was granted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use super::engine::{Engine, EngineKind};

/// Where the workspace is in a container.
pub(crate) const WORKSPACE: &str = "/work";

/// Where a container finds the names of hosts.
pub(crate) const HOSTS: &str = "/etc/hosts";

/// Where the secrets are in a container.
pub(crate) const SECRETS: &str = "/run/secrets";

/// Where everything can be written, in memory. Docker runs no program there without the option `exec`.
const TMP: &str = "--tmpfs=/tmp:rw,nosuid,nodev,exec,mode=1777";

/// The same for what runs as a service.
const RUN: &str = "--tmpfs=/run:rw,nosuid,nodev,exec,mode=1777";

/// What the programs of images need that begin as root, give their data to their own user and become that one.
const SERVICE_CAPS: [&str; 5] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"];

/// The most open files of a container.
const MAX_FILES: u64 = 65_536;

/// The most processes of a container's user on the host. Podman refuses more than this.
const MAX_PROCESSES: u64 = 32_768;

/// One container to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerPlan {
    pub(crate) name: String,
    /// Its labels, by which it is found again.
    pub(crate) labels: Vec<(String, String)>,
    /// The image: its id, so that nothing else is run than what was checked.
    pub(crate) image: String,
    /// What runs in it. What the image says is kept when there is nothing.
    pub(crate) command: Vec<Vec<u8>>,
    /// The folder that it begins in; otherwise the image's.
    pub(crate) workdir: Option<String>,
    /// The user in it; otherwise the image's.
    pub(crate) user: Option<String>,
    /// Options that say which of the host's ids are whose in it.
    pub(crate) maps: Vec<String>,
    pub(crate) network: Network,
    /// Processors.
    pub(crate) cpus: Option<String>,
    /// Bytes of memory.
    pub(crate) memory: Option<u64>,
    /// Processes; the engine's own limit when none is given.
    pub(crate) pids: Option<u32>,
    /// Folders of the host.
    pub(crate) mounts: Vec<Mount>,
    /// Names of variables in the client's environment; `NAME=value` for what is not a secret.
    pub(crate) env: Vec<String>,
    /// A file of more variables.
    pub(crate) env_file: Option<PathBuf>,
    /// Whether the image's own files are writable.
    pub(crate) rootfs_writable: bool,
    /// Capabilities that it keeps.
    pub(crate) caps: Vec<String>,
    /// Whether it reads its standard input.
    pub(crate) has_input: bool,
    /// Whether the engine removes it at its end; otherwise the caller does, who has looked why it ended.
    pub(crate) remove: bool,
    /// What it has when it runs what its image is made for; otherwise it runs the command alone.
    pub(crate) service: Option<ServicePlan>,
}

/// What a container has that runs what its image is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServicePlan {
    /// The volumes of its image. Each has the owner, the mode and the content that the image's folder has.
    pub(crate) volumes: Vec<PathBuf>,
    /// Whether it begins as root of its image.
    pub(crate) is_root: bool,
}

/// The network of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// One of the engine's, or `none`.
    Named(String),
    /// That of another container.
    Of(String),
}

/// A folder of the host in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The folder.
    pub(crate) source: PathBuf,
    /// Where it is in the container.
    pub(crate) target: PathBuf,
    /// Whether it can be written to.
    pub(crate) writable: bool,
}

impl ContainerPlan {
    /// The whole command line, the engine's client first.
    pub(crate) fn command_line(&self, engine: &Engine) -> Vec<OsString> {
        let mut line = Line(vec![engine.program.clone().into_os_string()]);
        if let Some(runtime) = engine.runtime {
            line.add(&["--runtime", runtime]);
        }
        if engine.kind == EngineKind::Podman {
            // What its client prints about errors while a container ends is not what the step wrote. Its errors begin with
            // `Error:` and are not meant by this.
            line.add(&["--log-level=fatal"]);
        }
        line.add(&["run", "--pull=never", "--cap-drop=ALL", "--security-opt=no-new-privileges"]);
        line.add(&["--log-driver=none", "--no-healthcheck", TMP]);
        match &self.service {
            Some(service) => {
                line.add(&[RUN]);
                let caps = SERVICE_CAPS.iter().filter(|_| service.is_root);
                caps.for_each(|cap| line.add(&[&format!("--cap-add={cap}")]));
            }
            None => line.add(&["--entrypoint="]),
        }
        if engine.kind == EngineKind::Podman {
            line.add(&["--image-volume=ignore", "--http-proxy=false", "--read-only-tmpfs=false"]);
            let volumes = self.service.iter().flat_map(|service| &service.volumes);
            // What is mounted there instead is not in memory.
            let is_free = |volume: &&PathBuf| self.mounts.iter().all(|mount| mount.target != **volume);
            volumes.filter(is_free).for_each(|volume| line.add(&[&in_memory(volume)]));
        }
        if engine.has_init {
            line.add(&["--init"]);
        }
        if !self.rootfs_writable {
            line.add(&["--read-only"]);
        }
        if self.remove {
            line.add(&["--rm"]);
        }
        if self.has_input {
            line.add(&["--interactive"]);
        }
        self.add_names(&mut line);
        self.add_limits(&mut line, engine);
        for mount in &self.mounts {
            line.add(&[&mount.argument()]);
        }
        for name in &self.env {
            line.add(&[&format!("--env={name}")]);
        }
        if let Some(file) = &self.env_file {
            line.add(&["--env-file"]);
            line.0.push(file.clone().into_os_string());
        }
        line.add(&["--", &self.image]);
        let command = self.command.iter().cloned();
        line.0.extend(command.map(<OsString as std::os::unix::ffi::OsStringExt>::from_vec));
        line.0
    }

    fn add_names(&self, line: &mut Line) {
        line.add(&["--name", &self.name]);
        if let Some(workdir) = &self.workdir {
            line.add(&[&format!("--workdir={workdir}")]);
        }
        if let Some(user) = &self.user {
            line.add(&[&format!("--user={user}")]);
        }
        for map in &self.maps {
            line.add(&[map]);
        }
        for (name, value) in &self.labels {
            line.add(&["--label", &format!("{name}={value}")]);
        }
        for cap in &self.caps {
            line.add(&[&format!("--cap-add={cap}")]);
        }
        match &self.network {
            Network::Named(name) => line.add(&[&format!("--network={name}")]),
            Network::Of(container) => line.add(&[&format!("--network=container:{container}")]),
        }
    }

    fn add_limits(&self, line: &mut Line, engine: &Engine) {
        if let Some(pids) = self.pids {
            line.add(&[&format!("--pids-limit={pids}")]);
        }
        if let Some(cpus) = &self.cpus {
            // Docker refuses more than there are; there, all are as much as was asked for.
            let all =
                engine.cpus.filter(|all| cpus.parse::<f64>().is_ok_and(|asked| asked > f64::from(*all)));
            line.add(&[&format!("--cpus={}", all.map_or_else(|| cpus.clone(), |all| all.to_string()))]);
        }
        if let Some(memory) = self.memory {
            // The same with swap: memory that is swapped is memory that was asked for.
            line.add(&[&format!("--memory={memory}"), &format!("--memory-swap={memory}")]);
        }
        line.0.extend(ulimits().into_iter().map(OsString::from));
    }
}

/// The limits of processes in a container: no more than this process has, because the engines ask for more than a host
/// without CAP_SYS_RESOURCE can give.
pub(crate) fn ulimits() -> [String; 2] {
    let of = |name: &str, limit: Resource, most: u64| {
        let limit = getrlimit(limit).maximum.unwrap_or(most).min(most);
        format!("--ulimit={name}={limit}:{limit}")
    };
    [of("nofile", Resource::Nofile, MAX_FILES), of("nproc", Resource::Nproc, MAX_PROCESSES)]
}

/// A volume in memory, which podman fills with the image's folder, its owner and its mode; a plain tmpfs would be root's.
fn in_memory(volume: &Path) -> String {
    let target = field(format!("destination={}", volume.display()));
    format!("--mount=type=volume,{target},volume-opt=type=tmpfs,volume-opt=device=tmpfs")
}

/// A field of CSV.
fn field(text: String) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

impl Mount {
    /// A folder for a container to work in.
    pub(crate) fn writable(source: &Path, target: &str) -> Self {
        Self { source: source.to_owned(), target: PathBuf::from(target), writable: true }
    }

    /// A folder for a container to read.
    pub(crate) fn read_only(source: &Path, target: &str) -> Self {
        Self { source: source.to_owned(), target: PathBuf::from(target), writable: false }
    }

    /// As an argument, whose fields are those of CSV.
    fn argument(&self) -> String {
        let source = field(format!("source={}", self.source.display()));
        let target = field(format!("destination={}", self.target.display()));
        let mode = if self.writable { "" } else { ",readonly" };
        format!("--mount=type=bind,{source},{target}{mode}")
    }
}

struct Line(Vec<OsString>);

impl Line {
    fn add(&mut self, args: &[&str]) {
        self.0.extend(args.iter().map(OsString::from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> ContainerPlan {
        ContainerPlan {
            name: "quire-1-a-1".into(),
            labels: vec![("quire.run".into(), "1".into())],
            image: "sha256:ab".into(),
            command: vec![b"sh".to_vec(), b"-c".to_vec(), b"--privileged".to_vec()],
            workdir: Some(WORKSPACE.into()),
            maps: Vec::new(),
            user: Some("0:0".into()),
            network: Network::Named("none".into()),
            cpus: None,
            memory: None,
            pids: Some(512),
            mounts: vec![Mount::writable(Path::new("/data/work"), WORKSPACE)],
            env: vec!["CI".into()],
            env_file: None,
            rootfs_writable: false,
            caps: Vec::new(),
            has_input: false,
            remove: true,
            service: None,
        }
    }

    fn line(plan: &ContainerPlan, kind: EngineKind) -> Vec<String> {
        let engine = Engine {
            kind,
            program: "/usr/bin/podman".into(),
            runtime: Some("runc"),
            has_init: true,
            is_rootless: false,
            has_limits: true,
            cpus: (kind == EngineKind::Docker).then_some(2),
            env: Vec::new(),
        };
        plan.command_line(&engine).into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn everything_is_shut_by_default() {
        let line = line(&plan(), EngineKind::Podman);
        for argument in [
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--read-only",
            "--network=none",
            "--pids-limit=512",
            "--pull=never",
            "--log-driver=none",
            "--mount=type=bind,source=/data/work,destination=/work",
        ] {
            assert!(line.iter().any(|found| found == argument), "{argument} is not in {line:?}");
        }
        assert!(!line.iter().any(|found| found.starts_with("--device") || found.starts_with("--cap-add")));
        assert_eq!(line[1..3], ["--runtime", "runc"]);
        let end = line.iter().position(|found| found == "--").unwrap();
        assert_eq!(
            line[end + 1..],
            ["sha256:ab", "sh", "-c", "--privileged"],
            "what follows is not an option"
        );
    }

    #[test]
    fn what_was_granted_is_said() {
        let mut plan = plan();
        plan.network = Network::Named("bridge".into());
        (plan.cpus, plan.memory) = (Some("1.5".into()), Some(1 << 20));
        (plan.rootfs_writable, plan.caps) = (true, vec!["CHOWN".into()]);
        plan.mounts.push(Mount::read_only(Path::new("/srv/a,b"), "/c"));
        let line = line(&plan, EngineKind::Docker);
        for argument in [
            "--network=bridge",
            "--cpus=1.5",
            "--memory=1048576",
            "--memory-swap=1048576",
            "--cap-add=CHOWN",
            "--mount=type=bind,\"source=/srv/a,b\",destination=/c,readonly",
        ] {
            assert!(line.iter().any(|found| found == argument), "{argument} is not in {line:?}");
        }
        assert!(!line.contains(&"--read-only".to_owned()));
        assert!(!line.iter().any(|found| found.contains("image-volume")), "docker has no such option");
    }

    #[test]
    fn a_service_has_its_volumes_and_what_a_program_of_root_needs() {
        let volumes = vec!["/data".into(), "/a,b".into(), "/mounted".into()];
        let mut plan = ContainerPlan { service: Some(ServicePlan { volumes, is_root: true }), ..plan() };
        plan.mounts.push(Mount::writable(Path::new("/srv"), "/mounted"));
        let root = line(&plan, EngineKind::Podman);
        let tmpfs = "volume-opt=type=tmpfs,volume-opt=device=tmpfs";
        for argument in [
            &format!("--mount=type=volume,destination=/data,{tmpfs}"),
            &format!("--mount=type=volume,\"destination=/a,b\",{tmpfs}"),
            "--cap-add=CHOWN",
            "--cap-add=SETUID",
        ] {
            assert!(root.iter().any(|found| found == argument), "{argument} is not in {root:?}");
        }
        assert_eq!(root.iter().filter(|found| found.contains("/mounted")).count(), 1, "{root:?}");
        assert!(!line(&plan, EngineKind::Docker).iter().any(|found| found.contains("type=volume")));
        plan.service = Some(ServicePlan { volumes: Vec::new(), is_root: false });
        assert!(!line(&plan, EngineKind::Podman).iter().any(|found| found.starts_with("--cap-add")));
    }

    #[test]
    fn docker_is_asked_for_no_more_processors_than_there_are() {
        let plan = |cpus: &str| ContainerPlan { cpus: Some(cpus.into()), ..plan() };
        let has = |cpus, kind, argument: &str| line(&plan(cpus), kind).iter().any(|found| found == argument);
        assert!(has("16", EngineKind::Docker, "--cpus=2"));
        assert!(has("1.5", EngineKind::Docker, "--cpus=1.5"));
        assert!(has("16", EngineKind::Podman, "--cpus=16"));
    }
}
