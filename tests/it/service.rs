//! `quire service` against the real systemd-analyze(1), and on a machine without systemd.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn quire(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
    command
        .args(args)
        .env("HOME", home)
        .env_remove("QUIRE_DATA")
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .unwrap()
}

/// Whether systemd-analyze is there. Without it nothing is verified, and this says so; where
/// `QUIRE_REQUIRE_SYSTEMD` is set, as in dev/test, that is a failure.
fn can_verify() -> bool {
    let is_there = Command::new("systemd-analyze").arg("--version").output().is_ok();
    let must_be = std::env::var_os("QUIRE_REQUIRE_SYSTEMD").is_some();
    assert!(is_there || !must_be, "systemd-analyze is missing: run dev/setup, which installs it");
    if !is_there {
        eprintln!("NOT VERIFIED: there is no systemd-analyze; dev/setup installs it");
    }
    is_there
}

/// What systemd-analyze has to say of our unit; other units of the machine do not matter.
fn verify(folder: &Path, scope: &[&str], text: &[u8]) -> String {
    let unit = folder.join("quire.service");
    fs::write(&unit, text).unwrap();
    let output = Command::new("systemd-analyze")
        .args(scope)
        .arg("verify")
        .arg(&unit)
        .env("XDG_RUNTIME_DIR", folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> =
        said.lines().filter(|line| line.contains("quire.service") || line.contains("Failed")).collect();
    ours.join("\n")
}

#[test]
fn systemd_takes_every_unit_that_is_printed() {
    if !can_verify() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a b%h $HOME \"q\"");
    for (scope, args) in [(&[][..], &[][..]), (&[], &["--may-gain-rights"]), (&["--user"], &["--user"])] {
        for data in [Path::new("/var/quire"), &odd] {
            let all =
                [&["service", "install", "--print", "--data", data.to_str().unwrap()][..], args].concat();
            let printed = quire(folder.path(), &all);
            assert!(printed.status.success());
            assert_eq!(verify(folder.path(), scope, &printed.stdout), "", "{args:?} {data:?}");
        }
    }
    let wrong = verify(folder.path(), &[], b"[Service]\nExecStart=/bin/true\nKillMood=process\n");
    assert!(wrong.contains("KillMood"), "a mistake is not found: {wrong}");
}

#[test]
fn without_systemd_it_says_what_to_do_instead_and_changes_nothing() {
    if Path::new("/run/systemd/system").exists() {
        eprintln!("NOT TRIED: systemd runs this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let install: [&[&str]; 2] = [&["service", "install", "--now"], &["service", "install", "--user"]];
    for args in install {
        let output = quire(folder.path(), args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{said}");
        for text in ["error: this machine does not run systemd", "--print", "@reboot", "OpenRC"] {
            assert!(said.contains(text), "{text} is not in\n{said}");
        }
    }
    let others: [&[&str]; 2] = [&["service", "status", "--json"], &["service", "uninstall"]];
    for args in others {
        assert_eq!(quire(folder.path(), args).status.code(), Some(5));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
