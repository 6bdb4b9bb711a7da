//! How a step is isolated from the rest of the machine: another user, a view of the files, a sandbox.
//!
//! The sandbox is bubblewrap(1). In it a step sees the system's folders, which it cannot write, its workspace, and a `/tmp`
//! and a home of its own; other processes and, unless it is opened, the network are not there. The first process
//! inside is quire itself ([`super::inside`]), because bubblewrap distinguishes neither signals nor its own failures.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use super::inside::WORD;
use super::program::Found;
use crate::sys::search_path::find_program;
use crate::sys::transition::Transition;

/// The folders of the system that a sandbox shows, where they are there.
pub const SYSTEM: [&str; 11] =
    ["/usr", "/etc", "/opt", "/nix", "/gnu", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What in `/proc` concerns the machine as a whole: it can be seen in a sandbox and not written. The kernel lets root's
/// uid write it without any capability, and a step in a sandbox of a root server has that uid: `core_pattern` there would be
/// a program that the kernel starts outside. bubblewrap covers some of these, in some versions.
const READ_ONLY_PROC: [&str; 8] =
    ["sys", "sysrq-trigger", "irq", "bus", "fs", "mtrr", "dynamic_debug", "pressure"];

/// Folders of `/proc` that are empty in a sandbox, and files that are: they show or steer devices and the kernel's memory.
const HIDDEN_PROC: [&str; 15] = [
    "acpi",
    "asound",
    "driver",
    "scsi",
    "kcore",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "pagetypeinfo",
    "sched_debug",
    "slabinfo",
    "vmallocinfo",
];

/// Where quire is in a sandbox.
const HELPER: &str = "/run/quire-step";

/// The home of a step whose own would be in the way.
const OTHER_HOME: &str = "/tmp/home";

/// How a step is isolated from the rest of the machine.
#[derive(Debug, Clone, Default)]
pub struct Confinement {
    /// Whose process the step is; quire's own when nothing is said.
    pub transition: Option<Transition>,
    /// Its sandbox.
    pub sandbox: Option<Sandbox>,
}

/// A sandbox to be made by bubblewrap.
#[derive(Debug, Clone, Default)]
pub struct Sandbox {
    /// The program `bwrap`.
    pub bwrap: PathBuf,
    /// The quire binary, where the user of the step can read it.
    pub helper: PathBuf,
    /// The folder that steps write.
    pub workspace: PathBuf,
    /// The repository, which is shown and cannot be written.
    pub repository: Option<PathBuf>,
    /// What is shown in addition to the system and cannot be written.
    pub readable: Vec<PathBuf>,
    /// Folders that are empty inside, should they be in what is shown.
    pub hidden: Vec<PathBuf>,
    /// Files that are empty inside, should they be in what is shown.
    pub masked: Vec<PathBuf>,
    /// Whether the network is open.
    pub network: bool,
}

impl Sandbox {
    /// The home of a step inside: empty, and where its environment says, unless something else is there.
    pub(crate) fn home(&self, home: Option<&OsStr>) -> PathBuf {
        let home = PathBuf::from(home.unwrap_or_default());
        let shown = SYSTEM.iter().map(Path::new).chain(self.readable.iter().map(PathBuf::as_path));
        let mut taken = shown
            .chain(self.hidden.iter().map(PathBuf::as_path))
            .chain([Path::new("/proc"), Path::new("/dev")]);
        let is_free = home.is_absolute()
            && home.parent().is_some()
            && !self.workspace.starts_with(&home)
            && !taken.any(|folder| home.starts_with(folder));
        if is_free { home } else { PathBuf::from(OTHER_HOME) }
    }

    /// How a program is started inside, where `report` says how it ends.
    pub(super) fn wrap(&self, found: Found, cwd: &Path, home: Option<&OsStr>, report: RawFd) -> Found {
        let mut args = Arguments(vec!["bwrap".into()]);
        args.all(["--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1"]);
        args.all(["--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
        cover_proc(&mut args);
        args.all(["--dir", "/run", "--dir", "/var", "--symlink", "../tmp", "/var/tmp"]);
        if self.network {
            args.all(["--share-net"]);
        }
        self.show_system(&mut args);
        args.pair("--tmpfs", &self.home(home));
        self.readable.iter().for_each(|path| args.twice("--ro-bind", path));
        for folder in self.hidden.iter().filter(|folder| self.shows(folder)) {
            args.pair("--tmpfs", folder);
        }
        for file in self.masked.iter().filter(|file| self.shows(file) && file.is_file()) {
            args.all([OsStr::new("--ro-bind"), OsStr::new("/dev/null"), file.as_os_str()]);
        }
        if let Some(repository) = &self.repository {
            args.twice("--ro-bind", repository);
        }
        args.twice("--bind", &self.workspace);
        args.all([OsStr::new("--ro-bind"), self.helper.as_os_str(), OsStr::new(HELPER)]);
        args.pair("--chdir", cwd);
        args.all(["--", HELPER, WORD, &report.to_string()]);
        args.0.push(found.file.into_os_string());
        args.0.extend(found.args);
        Found { file: self.bwrap.clone(), args: args.0 }
    }

    fn show_system(&self, args: &mut Arguments) {
        for folder in SYSTEM.iter().map(Path::new) {
            match fs::read_link(folder) {
                Ok(target) => args.all([OsStr::new("--symlink"), target.as_os_str(), folder.as_os_str()]),
                Err(_) if folder.is_dir() => args.twice("--ro-bind", folder),
                Err(_) => {}
            }
        }
        // Names of hosts are often resolved by what a link below /run says.
        let resolver =
            fs::canonicalize("/etc/resolv.conf").ok().filter(|file| self.network && !self.shows(file));
        if let Some(resolver) = resolver {
            args.twice("--ro-bind", &resolver);
        }
    }

    /// Whether a path is in what the sandbox shows of the machine.
    fn shows(&self, path: &Path) -> bool {
        let system = SYSTEM.iter().map(Path::new);
        system.chain(self.readable.iter().map(PathBuf::as_path)).any(|shown| path.starts_with(shown))
    }
}

/// Closes what of `/proc` belongs to the whole machine.
fn cover_proc(args: &mut Arguments) {
    let found = |names: &'static [&str]| {
        let paths = names.iter().map(|name| Path::new("/proc").join(name));
        paths.filter_map(|path| fs::symlink_metadata(&path).ok().map(|found| (path, found)))
    };
    for (path, _) in found(&READ_ONLY_PROC) {
        args.twice("--ro-bind", &path);
    }
    for (path, found) in found(&HIDDEN_PROC) {
        if found.is_dir() {
            args.pair("--tmpfs", &path);
        } else {
            args.all([OsStr::new("--ro-bind"), OsStr::new("/dev/null"), path.as_os_str()]);
        }
    }
}

/// Arguments as they come together.
struct Arguments(Vec<OsString>);

impl Arguments {
    fn all<T: AsRef<OsStr>>(&mut self, words: impl IntoIterator<Item = T>) {
        self.0.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
    }

    fn pair(&mut self, option: &str, path: &Path) {
        self.all([OsStr::new(option), path.as_os_str()]);
    }

    /// What is seen at its own path.
    fn twice(&mut self, option: &str, path: &Path) {
        self.all([OsStr::new(option), path.as_os_str(), path.as_os_str()]);
    }
}

/// Finds bubblewrap in the absolute folders of a `PATH`.
pub fn find_bwrap(path: Option<&OsStr>) -> Option<PathBuf> {
    find_program("bwrap", path.unwrap_or(OsStr::new(super::program::DEFAULT_PATH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_inside_is_never_in_the_way() {
        let sandbox = Sandbox {
            workspace: "/var/quire/runs/a.git/1/work".into(),
            readable: vec!["/srv/tools".into()],
            hidden: vec!["/var/quire".into()],
            ..Sandbox::default()
        };
        for (home, inside) in [
            (Some("/root"), "/root"),
            (Some("/home/ci"), "/home/ci"),
            (Some("/var"), OTHER_HOME),
            (Some("/var/quire/home"), OTHER_HOME),
            (Some("/opt/ci"), OTHER_HOME),
            (Some("/srv/tools"), OTHER_HOME),
            (Some("/proc"), OTHER_HOME),
            (Some("/"), OTHER_HOME),
            (Some("relative"), OTHER_HOME),
            (Some(""), OTHER_HOME),
            (None, OTHER_HOME),
        ] {
            assert_eq!(sandbox.home(home.map(OsStr::new)), Path::new(inside), "{home:?}");
        }
    }

    #[test]
    fn a_sandbox_hides_what_lies_in_what_it_shows() {
        let folder = tempfile::tempdir().unwrap();
        let (shown, secret) = (folder.path().to_owned(), folder.path().join("token"));
        fs::write(&secret, "x").unwrap();
        let sandbox = Sandbox {
            workspace: shown.join("data/work"),
            readable: vec![shown.clone()],
            hidden: vec![shown.join("data"), "/elsewhere".into()],
            masked: vec![secret.clone(), shown.join("absent"), "/run/secrets/x".into()],
            ..Sandbox::default()
        };
        let found = Found { file: "/bin/sh".into(), args: vec!["sh".into(), "-c".into(), "x".into()] };
        let wrapped = sandbox.wrap(found, Path::new("/w"), None, 7);
        let text: Vec<_> = wrapped.args.iter().map(|word| word.to_string_lossy()).collect();
        let text = text.join(" ");
        assert!(text.ends_with("-- /run/quire-step step-inside 7 /bin/sh sh -c x"), "{text}");
        assert!(text.contains(&format!("--tmpfs {}/data", shown.display())), "{text}");
        assert!(text.contains(&format!("--ro-bind /dev/null {}", secret.display())), "{text}");
        for absent in ["/elsewhere", "absent", "/run/secrets", "--share-net"] {
            assert!(!text.contains(absent), "{text}");
        }
    }
}
