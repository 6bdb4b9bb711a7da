//! The account of a service of the machine, and what it must be able to reach: its data folder and the binary.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use super::unit::Unit;
use crate::cli::exit::{Code, Failure, print};
use crate::sys::program::Program;

/// How long a program that makes or looks up accounts may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The account that is made when it is missing.
const OWN: &str = "quire";

/// Makes sure that the account is there, owns the data folder, and can start the binary.
pub(super) fn prepare(user: &str, unit: &Unit) -> Result<(), Failure> {
    if let Some(closed) = closed_to_others(&unit.program.binary) {
        let message = format!(
            "{user} cannot start {}: {} is closed to it",
            unit.program.binary.display(),
            closed.display()
        );
        return Err(Failure::new(Code::Broken, message).hint(format!(
            "install -m 755 {} /usr/local/bin/quire, and run that one",
            unit.program.binary.display()
        )));
    }
    let (uid, gid) = match find(user)? {
        Some(ids) => ids,
        None if user == OWN => make(&unit.data)?,
        None => {
            return Err(Failure::not_found(format!("the account `{user}` does not exist"))
                .hint("create it first; this command creates only the account `quire`"));
        }
    };
    own(&unit.data, user, (uid, gid))
}

/// The ids of an account, no matter where the machine knows it from.
fn find(user: &str) -> Result<Option<(u32, u32)>, Failure> {
    let said = Program::new("getent")
        .args(["passwd", user])
        .ask(PATIENCE)
        .map_err(|error| Failure::new(Code::Broken, format!("getent passwd {user}: {error}")))?;
    Ok(parse(&said.stdout))
}

/// The ids in a line of passwd(5).
fn parse(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.lines().next()?.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Makes the account `quire`, without a password; its home is the data folder.
fn make(data: &Path) -> Result<(u32, u32), Failure> {
    let home = data.to_string_lossy().into_owned();
    let line = format!("u {OWN} - \"quire, a git forge\" \"{home}\" /bin/sh");
    let ways: [(&str, Vec<&str>); 2] = [
        ("systemd-sysusers", vec!["--inline", &line]),
        (
            "useradd",
            vec![
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                &home,
                "--shell",
                "/bin/sh",
                OWN,
            ],
        ),
    ];
    let mut problems = Vec::new();
    for (program, args) in ways {
        match Program::new(program).args(&args).ask(PATIENCE) {
            Ok(_) => {}
            Err(error) => problems.push(format!("{program}: {error}")),
        }
        if let Some(ids) = find(OWN)? {
            print(&format!("made the account {OWN}\n"));
            return Ok(ids);
        }
    }
    Err(Failure::new(
        Code::Broken,
        format!("the account {OWN} could not be made {}", problems.join("; ")).trim_end(),
    )
    .hint(format!("useradd --system --home-dir '{home}' --shell /bin/sh {OWN}")))
}

/// Makes the data folder for the account; one that is there must belong to it.
fn own(data: &Path, user: &str, (uid, gid): (u32, u32)) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(Code::Broken, format!("{}: {error}", data.display()));
    match fs::metadata(data) {
        Ok(there) if there.uid() == uid => Ok(()),
        Ok(there) => {
            let message = format!(
                "{} belongs to the uid {}, and the service is to run as {user}",
                data.display(),
                there.uid()
            );
            Err(Failure::new(Code::Broken, message)
                .hint(format!("chown -R {user}: '{}', or name its owner with --run-as", data.display())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            make_parents(data).map_err(wrong)?;
            fs::DirBuilder::new().mode(0o700).create(data).map_err(wrong)?;
            chown(data, Some(uid), Some(gid)).map_err(wrong)
        }
        Err(error) => Err(wrong(error)),
    }?;
    match closed_to(data, uid, gid) {
        None => Ok(()),
        Some(closed) => {
            let message = format!("{user} cannot enter {}, where {} is", closed.display(), data.display());
            Err(Failure::new(Code::Broken, message)
                .hint(format!("chmod o+x '{}', or name another data folder with --data", closed.display())))
        }
    }
}

/// Makes the missing folders above the data folder, which every account can enter, whatever the umask.
fn make_parents(data: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = data.ancestors().skip(1).take_while(|above| !above.exists()).collect();
    for folder in missing.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The first folder above the data folder that an account cannot enter.
fn closed_to(data: &Path, uid: u32, gid: u32) -> Option<&Path> {
    let may_enter = |folder: &&Path| {
        fs::metadata(folder).is_ok_and(|there| {
            let bit = match (there.uid() == uid, there.gid() == gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            uid == 0 || there.permissions().mode() & bit != 0
        })
    };
    let mut above: Vec<&Path> =
        data.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()).collect();
    above.reverse();
    above.into_iter().find(|folder| !may_enter(folder))
}

/// The first part of a path that other accounts cannot pass or start.
fn closed_to_others(binary: &Path) -> Option<&Path> {
    let mut parts: Vec<&Path> = binary.ancestors().collect();
    parts.reverse();
    parts
        .into_iter()
        .find(|part| fs::metadata(part).is_ok_and(|there| there.permissions().mode() & 0o001 == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_closed_folders_found() {
        assert_eq!(parse("quire:x:998:997:q:/var/quire:/bin/sh\n"), Some((998, 997)));
        assert_eq!(parse(""), None);
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let binary = folder.path().join("quire");
        fs::write(&binary, "").unwrap();
        assert_eq!(closed_to_others(&binary), Some(folder.path()));
        assert_eq!(closed_to_others(Path::new("/bin/sh")), None);
    }

    #[test]
    fn a_data_folder_of_somebody_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let uid = fs::metadata(folder.path()).unwrap().uid();
        let new = folder.path().join("data");
        own(folder.path(), "me", (uid, 0)).unwrap();
        let refused = own(folder.path(), "other", (uid + 1, 0)).unwrap_err();
        assert!(refused.text.contains("chown -R other:"), "{}", refused.text);
        let gid = fs::metadata(folder.path()).unwrap().gid();
        own(&new, "me", (uid, gid)).unwrap();
        assert_eq!(fs::metadata(new).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_account_can_enter_every_folder_above_its_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let ids = fs::metadata(folder.path()).map(|there| (there.uid(), there.gid())).unwrap();
        let new = folder.path().join("srv/quire/data");
        own(&new, "me", ids).unwrap();
        for above in ["srv", "srv/quire"] {
            let mode = fs::metadata(folder.path().join(above)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755, "{above}");
        }
        assert_eq!(closed_to(&new, 61234, 61234), None);
        fs::set_permissions(folder.path().join("srv"), fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(closed_to(&new, 61234, 61234), Some(folder.path().join("srv").as_path()));
        assert_eq!(closed_to(&new, 61234, ids.1), None);
    }
}
