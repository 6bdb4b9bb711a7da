//! Folders of cgroup v2: a set of processes that no member leaves by forking, and that one write kills.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::process::{Pid, parse_pid};

/// A folder of the cgroup v2 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// The folder.
    path: PathBuf,
    /// Its path in the hierarchy, as `/proc/<pid>/cgroup` shows it.
    place: PathBuf,
}

impl Cgroup {
    /// The cgroup of the calling process; `None` without cgroup v2, or where its folder is not visible.
    pub fn own() -> Option<Self> {
        let (root, mount) = parse_mounts(&fs::read("/proc/self/mountinfo").ok()?)?;
        let own = parse_own(&fs::read("/proc/self/cgroup").ok()?)?;
        let path = mount.join(own.strip_prefix(&root).ok()?);
        path.join("cgroup.procs").exists().then_some(Self { path, place: own })
    }

    /// The child cgroup with a name; it may not exist.
    pub fn child(&self, name: &str) -> Self {
        Self { path: self.path.join(name), place: self.place.join(name) }
    }

    /// Creates the folder; it may exist already.
    ///
    /// # Errors
    /// The user may not, or there are too many.
    pub(crate) fn create(&self) -> io::Result<()> {
        match fs::create_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Whether the folder exists and can kill its members.
    pub(crate) fn can_kill(&self) -> bool {
        OpenOptions::new().write(true).open(self.path.join("cgroup.kill")).is_ok()
    }

    /// Whether all of these controllers are available.
    pub(crate) fn has_controllers(&self, required: &[&str]) -> bool {
        let there = fs::read_to_string(self.path.join("cgroup.controllers")).unwrap_or_default();
        required.iter().all(|required| there.split_whitespace().any(|there| there == *required))
    }

    /// Opens the folder, for processes that are to be started in it.
    ///
    /// # Errors
    /// The folder is gone, or the user may not.
    pub(crate) fn door(&self) -> io::Result<OwnedFd> {
        // A process that may not write the list of members may not start processes in the cgroup either.
        OpenOptions::new().write(true).open(self.path.join("cgroup.procs"))?;
        File::open(&self.path).map(OwnedFd::from)
    }

    /// The members, also those of the cgroups below.
    pub fn members(&self) -> Vec<Pid> {
        let list = fs::read(self.path.join("cgroup.procs")).unwrap_or_default();
        let own = list.split(|byte| *byte == b'\n').filter_map(parse_pid);
        own.chain(self.below().iter().flat_map(Self::members)).collect()
    }

    /// Whether a process, also a dead one that is not reaped, is in it or below it.
    pub(crate) fn has(&self, pid: Pid) -> bool {
        let groups = fs::read(format!("/proc/{pid}/cgroup")).ok();
        groups.and_then(|groups| parse_own(&groups)).is_some_and(|place| place.starts_with(&self.place))
    }

    /// Whether a living process is in it or below it.
    pub(crate) fn is_populated(&self) -> bool {
        let events = fs::read(self.path.join("cgroup.events")).unwrap_or_default();
        events.split(|byte| *byte == b'\n').any(|line| line == b"populated 1")
    }

    /// Kills the members, also those of the cgroups below. It may take a moment until they have ended.
    ///
    /// # Errors
    /// The folder is gone, or the kernel is older than 5.14.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// Removes the folder and those below it, if they have no members.
    ///
    /// # Errors
    /// A member is left.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for below in self.below() {
            below.remove()?;
        }
        match fs::remove_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn below(&self) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|entry| self.child(&entry.file_name().to_string_lossy())).collect()
    }
}

/// Finds the mount of cgroup v2 in `mountinfo`: which part of the hierarchy, and where.
fn parse_mounts(mounts: &[u8]) -> Option<(PathBuf, PathBuf)> {
    mounts.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let (root, mount) = (fields.nth(3)?, fields.next()?);
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        (kind == b"cgroup2").then(|| (unescape(root), unescape(mount)))
    })
}

/// Finds the path of this process in the hierarchy of cgroup v2, in `/proc/self/cgroup`.
fn parse_own(groups: &[u8]) -> Option<PathBuf> {
    let path = groups.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    // Outside the cgroup namespace the kernel prints `..`; a removed cgroup ends in ` (deleted)` and is not found.
    let path = path_of(path.to_vec());
    (!path.iter().any(|part| part == "..")).then_some(path)
}

/// Undoes the kernel's escapes of space, tab, newline and backslash (`\040`).
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    path_of(bytes)
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    Path::new(&std::ffi::OsString::from_vec(bytes)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_among_others() {
        let mounts = b"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            41 31 0:38 /a\\040b /sys/uni\\134fied rw shared:1 master:2 - cgroup2 cgroup2 rw\n";
        assert_eq!(parse_mounts(mounts), Some(("/a b".into(), "/sys/uni\\fied".into())));
        assert_eq!(parse_mounts(b"31 23 0:28 / /a rw - tmpfs tmpfs rw\n\n-\nx"), None);
    }

    #[test]
    fn the_own_place_is_the_line_without_controllers() {
        let own = parse_own(b"9:name=systemd:/x\n0::/user.slice/a.service\n");
        assert_eq!(own, Some("/user.slice/a.service".into()));
        assert_eq!(parse_own(b"0::/../other\n"), None);
        assert_eq!(parse_own(b"4:memory:/\n"), None);
    }
}
