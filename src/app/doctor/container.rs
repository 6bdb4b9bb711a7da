//! Whether steps can run in containers: which engine there is, and what it lacks.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::check::Check;
use crate::config::DataDir;
use crate::container::{CATATONIT, HYBRID};
use crate::sys::program::{Program, Reply};

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a missing init means.
const NO_INIT: &str = "a step that is stopped does not hear TERM, and ends 10 seconds later by KILL";

/// What is asked of each engine: version, runtime; of docker also the commit of its init, which is `N/A` when there is
/// none; of podman also network backend, cgroups, and whether it is rootless.
const ENGINES: [(&str, [&str; 3]); 2] = [
    (
        "podman",
        [
            "info",
            "--format",
            "{{.Version.Version}} {{.Host.OCIRuntime.Name}} {{.Host.NetworkBackend}} {{.Host.CgroupsVersion}} \
             {{.Host.Security.Rootless}} {{.Host.CgroupControllers}}",
        ],
    ),
    ("docker", ["info", "--format", "{{.ServerVersion}} {{.DefaultRuntime}} {{.InitCommit.ID}}"]),
];

/// What docker is asked first: some clients do not say why they have no answer when they are asked for more.
const SERVER: [&str; 3] = ["version", "--format", "{{.Server.Version}}"];

/// Where podman looks for netavark.
const NETAVARK: [&str; 3] =
    ["/usr/lib/podman/netavark", "/usr/libexec/podman/netavark", "/usr/local/libexec/podman/netavark"];

/// Where netavark looks for iptables.
const IPTABLES: [&str; 4] =
    ["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables", "/usr/local/sbin/iptables"];

/// What this machine has in addition to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Host {
    /// cgroup v2 is mounted next to version 1.
    is_hybrid: bool,
    has_runc: bool,
    has_catatonit: bool,
    has_netavark: bool,
    has_iptables: bool,
}

pub(super) fn check(_: &DataDir) -> Vec<Check> {
    let has = |files: &[&str]| files.iter().any(|file| Path::new(file).exists());
    let host = Host {
        is_hybrid: has(&[HYBRID]),
        has_runc: has(&["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc", "/usr/local/bin/runc"]),
        has_catatonit: has(&CATATONIT),
        has_netavark: has(&NETAVARK),
        has_iptables: has(&IPTABLES),
    };
    judge(ENGINES.map(|(engine, question)| (engine, ask(engine, &question))), host)
}

fn ask(engine: &str, question: &[&str; 3]) -> io::Result<Reply> {
    if engine == "docker" {
        let said = Program::new(engine).args(SERVER).ask(PATIENCE)?;
        if !said.is_ok {
            return Ok(said);
        }
    }
    Program::new(engine).args(question).ask(PATIENCE)
}

/// The first engine that is there counts, as for runs.
fn judge<const N: usize>(asked: [(&str, io::Result<Reply>); N], host: Host) -> Vec<Check> {
    let why = "steps in containers fail with container.runtime.unavailable";
    for (engine, said) in asked {
        match said {
            Ok(said) if said.is_ok => return judge_engine(engine, &said.stdout, host),
            Ok(said) => {
                let error_output = said.stderr.lines().last().unwrap_or("no error output").to_owned();
                let what = format!("{engine} does not work: {error_output}");
                return vec![Check::warning(what, why, format!("{engine} info"))];
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return vec![Check::warning(format!("{engine}: {error}"), why, format!("{engine} info"))];
            }
        }
    }
    vec![Check::warning("no container engine is installed", why, "apt-get install podman runc catatonit")]
}

fn judge_engine(engine: &str, said: &str, host: Host) -> Vec<Check> {
    let mut words = said.split_whitespace();
    let (version, runtime) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (network, cgroups) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_rootless = words.next() == Some("true");
    let controllers: Vec<&str> = words.map(|word| word.trim_matches(['[', ']'])).collect();
    if runtime.is_empty() {
        let what = format!("{engine} {version} has no OCI runtime");
        return vec![Check::warning(what, "it starts no container", "apt-get install runc")];
    }
    if engine == "docker" {
        let mut checks = vec![Check::ok(format!("docker {version} with {runtime}"))];
        if network == "N/A" {
            let what = "docker has no init for containers: docker-init is not in its PATH";
            checks.push(Check::warning(what, NO_INIT, "apt-get install tini"));
        }
        return checks;
    }
    let needs_runc = host.is_hybrid && runtime == "crun";
    let used = if needs_runc && host.has_runc { "runc" } else { runtime };
    let mut checks = vec![Check::ok(format!("podman {version} with {used}"))];
    if needs_runc && !host.has_runc {
        checks = vec![Check::warning(
            format!("podman {version} has only crun, and cgroup v2 is mounted next to version 1"),
            "crun starts no container then",
            "apt-get install runc; or boot with systemd.unified_cgroup_hierarchy=1",
        )];
    }
    if !host.has_catatonit {
        checks.push(Check::warning(
            "podman has no init for containers",
            NO_INIT,
            "apt-get install catatonit",
        ));
    }
    if network == "netavark" && !(host.has_netavark && host.has_iptables) {
        let missing = if host.has_netavark { "iptables" } else { "netavark" };
        checks.push(Check::warning(
            format!("podman has no {missing}"),
            "containers without a network run; those with `:network \"bridge\"` do not",
            "apt-get install netavark aardvark-dns iptables",
        ));
    }
    let lacks = |controller: &&str| !controllers.contains(controller);
    let missing: Vec<&str> = ["cpu", "memory", "pids"].into_iter().filter(lacks).collect();
    if is_rootless && (cgroups == "v1" || !missing.is_empty()) {
        checks.push(Check::warning(
            "rootless containers cannot be limited here",
            "`:memory`, `:cpus`, the limit of processes, and the ceilings of a policy bundle are refused or do nothing",
            "cgroup v2 with Delegate=cpu memory pids in user@.service",
        ));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    const ALL: Host = Host {
        is_hybrid: false,
        has_runc: true,
        has_catatonit: true,
        has_netavark: true,
        has_iptables: true,
    };
    const ROOTFUL: &str = "4.3.1 crun netavark v2 false [cpuset cpu memory pids]";

    fn said(is_ok: bool, stdout: &str) -> io::Result<Reply> {
        Ok(Reply { is_ok, stdout: stdout.to_owned(), stderr: "a\nno".to_owned() })
    }

    fn missing() -> io::Result<Reply> {
        Err(io::ErrorKind::NotFound.into())
    }

    #[test]
    fn the_first_engine_that_is_there_counts() {
        let both = |podman, docker| judge([("podman", podman), ("docker", docker)], ALL);
        assert_eq!(levels(&both(said(true, ROOTFUL), missing())), [Level::Ok]);
        assert_eq!(levels(&both(missing(), said(true, "27.0 runc"))), [Level::Ok]);
        assert_eq!(levels(&both(missing(), said(true, "27.0 runc N/A"))), [Level::Ok, Level::Warning]);
        assert_eq!(levels(&both(said(false, ""), said(true, "27.0 runc"))), [Level::Warning]);
        assert_eq!(levels(&both(missing(), said(false, ""))), [Level::Warning]);
        assert_eq!(levels(&both(said(true, "4.3.1"), missing())), [Level::Warning]);
        let none = both(missing(), missing());
        assert_eq!(levels(&none), [Level::Warning]);
        assert!(none[0].what.contains("no container engine"));
    }

    #[test]
    fn what_podman_lacks_is_said_with_what_follows() {
        let crun = |is_hybrid, has_runc| Host { is_hybrid, has_runc, ..ALL };
        let rootless =
            |cgroups: &str, controllers: &str| format!("4.3.1 crun netavark {cgroups} true [{controllers}]");
        let table: [(&str, Host, &[&str]); 10] = [
            (ROOTFUL, ALL, &["podman 4.3.1 with crun"]),
            (ROOTFUL, crun(true, true), &["podman 4.3.1 with runc"]),
            (ROOTFUL, crun(true, false), &["only crun, and cgroup v2 is mounted next to version 1"]),
            (ROOTFUL, crun(false, false), &["podman 4.3.1 with crun"]),
            (ROOTFUL, Host { has_catatonit: false, ..ALL }, &["with crun", "no init for containers"]),
            (ROOTFUL, Host { has_netavark: false, ..ALL }, &["with crun", "no netavark"]),
            (ROOTFUL, Host { has_iptables: false, ..ALL }, &["with crun", "no iptables"]),
            ("5.0 crun cni v1 false []", Host { has_netavark: false, ..ALL }, &["podman 5.0 with crun"]),
            (&rootless("v2", "cpu memory pids"), ALL, &["with crun"]),
            (&rootless("v2", "memory pids"), ALL, &["with crun", "cannot be limited"]),
        ];
        for (info, host, expected) in table {
            let checks = judge([("podman", said(true, info))], host);
            let messages: Vec<&str> = checks.iter().map(|check| check.what.as_str()).collect();
            assert_eq!(messages.len(), expected.len(), "{info} {host:?}: {messages:?}");
            assert!(
                messages.iter().zip(expected).all(|(messages, expected)| messages.contains(expected)),
                "{messages:?} {expected:?}"
            );
            assert!(checks.iter().all(|check| check.level == Level::Ok || check.hint.is_some()));
        }
        let v1 = judge([("podman", said(true, &rootless("v1", "cpu memory pids")))], ALL);
        assert_eq!(levels(&v1), [Level::Ok, Level::Warning]);
    }
}
