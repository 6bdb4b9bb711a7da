//! The data folder: who owns it, who can look into it, how much room it has.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::check::Check;
use crate::config::DataDir;

/// Free bytes below which quire warns, and below which runs will fail.
const FEW_BYTES: (u64, u64) = (1 << 30, 64 << 20);

/// Free inodes below which quire warns, and below which runs will fail.
const FEW_INODES: (u64, u64) = (20_000, 1_000);

struct Facts {
    mode: u32,
    uid: u32,
    own_uid: u32,
    is_writable: bool,
    free_bytes: Option<u64>,
    /// Nothing also for file systems that do not count them.
    free_inodes: Option<u64>,
}

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let path = data.path();
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => judge(path, &look(path, &there)),
        Ok(_) => {
            vec![Check::problem(
                format!("{} is not a folder", path.display()),
                "quire cannot start",
                "name another with --data",
            )]
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => vec![Check::warning(
            format!("the data folder {} does not exist", path.display()),
            "there is nothing to serve yet",
            "quire serve and quire repo new make it; --data and QUIRE_DATA name another",
        )],
        Err(error) => {
            vec![Check::problem(format!("{}: {error}", path.display()), "quire cannot start", "is it yours?")]
        }
    }
}

fn look(path: &Path, there: &fs::Metadata) -> Facts {
    let system = statvfs(path).ok();
    Facts {
        mode: there.mode() & 0o7777,
        uid: there.uid(),
        own_uid: rustix::process::geteuid().as_raw(),
        is_writable: access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
        free_bytes: system.as_ref().map(|system| system.f_bavail.saturating_mul(system.f_frsize)),
        free_inodes: system.filter(|system| system.f_files > 0).map(|system| system.f_favail),
    }
}

fn judge(path: &Path, facts: &Facts) -> Vec<Check> {
    let shown = path.display();
    let mut checks = Vec::new();
    if !facts.is_writable {
        checks.push(Check::problem(
            format!("{shown} cannot be written"),
            "no push can be recorded",
            "chown it to the account of the server",
        ));
    }
    if facts.uid != facts.own_uid {
        checks.push(Check::warning(
            format!("{shown} belongs to the uid {}, and this is the uid {}", facts.uid, facts.own_uid),
            "what one account writes the other may not be able to read",
            "run quire as its owner",
        ));
    }
    if facts.mode & 0o077 != 0 {
        checks.push(Check::warning(
            format!("{shown} has the mode {:04o}", facts.mode),
            "other accounts of the machine can look into it",
            format!("chmod 700 '{shown}'"),
        ));
    }
    checks.extend(few(facts.free_bytes, FEW_BYTES, |free| format!("{} MiB are free", free >> 20)));
    checks.extend(few(facts.free_inodes, FEW_INODES, |free| format!("{free} inodes are free")));
    if checks.is_empty() {
        let free = facts.free_bytes.map(|free| format!(", {} MiB free", free >> 20)).unwrap_or_default();
        checks.push(Check::ok(format!("{shown}, mode {:04o}{free}", facts.mode)));
    }
    checks
}

fn few(free: Option<u64>, (few, too_few): (u64, u64), what: impl Fn(u64) -> String) -> Option<Check> {
    let free = free?;
    let hint = "make room: quire repo list, trash/ and runs/ say what there is";
    if free < too_few {
        return Some(Check::problem(what(free), "pushes and runs will fail", hint));
    }
    (free < few).then(|| Check::warning(what(free), "runs may fail soon", hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn mode_owner_and_room_are_judged() {
        let good = || Facts {
            mode: 0o700,
            uid: 5,
            own_uid: 5,
            is_writable: true,
            free_bytes: Some(1 << 30),
            free_inodes: Some(20_000),
        };
        let cases: [(Facts, &[Level]); 8] = [
            (good(), &[Level::Ok]),
            (Facts { mode: 0o750, ..good() }, &[Level::Warning]),
            (Facts { uid: 6, ..good() }, &[Level::Warning]),
            (Facts { is_writable: false, mode: 0o755, ..good() }, &[Level::Problem, Level::Warning]),
            (Facts { free_bytes: Some((1 << 30) - 1), ..good() }, &[Level::Warning]),
            (Facts { free_bytes: Some(0), ..good() }, &[Level::Problem]),
            (Facts { free_inodes: Some(999), ..good() }, &[Level::Problem]),
            (Facts { free_bytes: None, free_inodes: None, ..good() }, &[Level::Ok]),
        ];
        for (facts, expected) in cases {
            assert_eq!(levels(&judge(Path::new("/d"), &facts)), expected);
        }
    }
}
