//! Commands of another account than the owner of the data folder, with real processes of another uid.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::geteuid;

/// The account `nobody`.
const NOBODY: u32 = 65534;

/// A folder that everybody can enter, with the binary and a data folder of root in it.
struct Shared {
    folder: tempfile::TempDir,
}

impl Shared {
    /// Nothing without root, who alone can be two accounts.
    fn new() -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let shared = Self { folder: tempfile::tempdir().unwrap() };
        fs::set_permissions(shared.folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_quire"), shared.path("quire")).unwrap();
        Some(shared)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn quire(&self, uid: u32, data: &Path, args: &str) -> Output {
        let mut command = Command::new(self.path("quire"));
        command.args(args.split(' ')).arg("--data").arg(data).current_dir("/").env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").uid(uid).gid(uid);
        command.output().unwrap()
    }

    /// A data folder of root with a repository and a database.
    fn data(&self) -> PathBuf {
        let data = self.path("closed/data");
        fs::create_dir(self.path("closed")).unwrap();
        for args in ["repo new a", "watch add /nowhere main --name b"] {
            let made = self.quire(0, &data, args);
            assert!(made.status.success(), "{made:?}");
        }
        fs::create_dir(data.join("runs")).unwrap();
        data
    }
}

fn open_to(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Everything below a folder, with its owner.
fn listing(folder: &Path) -> String {
    let listed = Command::new("find").arg(folder).args(["-printf", "%P %U %s\n"]).output().unwrap();
    text(&listed.stdout)
}

const READS: [&str; 11] = [
    "runs",
    "runs --json",
    "show a#1",
    "logs a#1",
    "wait a#1",
    "notify list",
    "notify list --json",
    "doctor",
    "doctor --json",
    "watch list",
    "repo list",
];

#[test]
fn what_cannot_be_read_is_an_error_and_never_missing() {
    let Some(shared) = Shared::new() else { return };
    let data = shared.data();
    let refused = |args: &str, path: &Path| {
        let ended = shared.quire(NOBODY, &data, args);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(5), "{args}: {said}");
        assert_eq!(text(&ended.stdout), "", "{args}");
        let expected = format!("error: could not read {}: Permission denied", path.display());
        assert!(said.contains(&expected) && said.contains("belongs to `root`"), "{args}: {said}");
        assert!(said.contains(&format!("hint: sudo -u root quire {args} --data")), "{args}: {said}");
    };
    for args in READS {
        refused(args, &data);
    }
    open_to(&shared.path("closed"), 0o700);
    for args in READS {
        refused(args, &data);
    }
    open_to(&shared.path("closed"), 0o755);
    open_to(&data, 0o755);
    open_to(&data.join("repos"), 0o755);
    open_to(&data.join("runs"), 0o700);
    for args in &READS[..10] {
        refused(args, &data.join("quire.db"));
    }
    open_to(&data.join("quire.db"), 0o644);
    for args in &READS[..10] {
        refused(args, &data.join("runs"));
    }
    assert!(shared.quire(NOBODY, &data, "repo list").status.success(), "repositories are open");
    open_to(&data.join("repos"), 0o700);
    refused("repo list", &data.join("repos"));
}

#[test]
fn nobody_but_the_owner_of_a_data_folder_writes_into_it() {
    let Some(shared) = Shared::new() else { return };
    let data = shared.data();
    let theirs = Command::new("chown").args(["-R", "65534:65534"]).arg(&data).status().unwrap();
    assert!(theirs.success());
    let before = listing(&data);
    for args in [
        "repo new c",
        "repo adopt a",
        "repo rm a",
        "repo restore a",
        "serve --bind none",
        "serve --no-socket --bind none",
        "watch add /nowhere main --name c",
        "watch rm b",
        "doctor --reset-caches",
        "notify retry x",
        "cancel a#1",
        "rerun a#1",
    ] {
        let ended = shared.quire(0, &data, args);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(5), "{args}: {said}");
        let expected = format!("error: {} belongs to `nobody`, and this is `root`\n", data.display());
        assert!(said.starts_with(&expected), "{args}: {said}");
        assert!(
            said.contains(&format!("hint: sudo -u nobody quire {args} --data {}\n", data.display())),
            "{args}: {said}"
        );
        assert_eq!(listing(&data), before, "{args}");
    }
    // A new data folder in a folder of somebody else would be root's.
    let home = shared.path("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    let ended = shared.quire(0, &home.join("share/quire"), "repo new a");
    assert_eq!(ended.status.code(), Some(5), "{ended:?}");
    assert!(!home.join("share").exists());
    // Their owner may, and root may read.
    assert!(shared.quire(NOBODY, &home.join("share/quire"), "repo new a").status.success());
    let listed = shared.quire(0, &data, "repo list");
    assert!(listed.status.success() && text(&listed.stdout).starts_with('a'), "{listed:?}");
}

#[test]
fn the_doctor_names_what_belongs_to_another_account_than_the_data_folder() {
    let Some(shared) = Shared::new() else { return };
    let data = shared.data();
    chown(data.join("repos/a.git/config"), Some(NOBODY), None).unwrap();
    let said = text(&shared.quire(0, &data, "doctor").stdout);
    assert!(said.contains("1 file or folder does not belong to `root`: repos/a.git/config"), "{said}");
    assert!(said.contains("hint: chown -R root: "), "{said}");
}

/// An account that nothing else has.
const LONELY: &str = "54778";

#[test]
fn a_server_without_one_of_its_tasks_ends_with_an_error() {
    let Some(shared) = Shared::new() else { return };
    let data = shared.path("data");
    fs::create_dir(&data).unwrap();
    chown(&data, Some(54_778), Some(54_778)).unwrap();
    // A server of an account that may have this many threads.
    let serve = |threads: u32| {
        let account = ["40", "setpriv", "--reuid", LONELY, "--regid", LONELY, "--clear-groups", "prlimit"];
        let served = Command::new("timeout")
            .args(account)
            .arg(format!("--nproc={threads}"))
            .arg(shared.path("quire"))
            .args(["serve", "--bind", "none", "--data"])
            .arg(&data)
            .current_dir("/")
            .output()
            .unwrap();
        (served.status.code(), text(&served.stderr))
    };
    // It begins with four beside its own (two workers, two of the database): the first task that needs one more panics.
    let (exit, said) = serve(5);
    assert_eq!(exit, Some(5), "{said}");
    let failure = said.lines().find(|line| line.starts_with("error: the server cannot continue: ")).unwrap();
    assert!(failure.contains(" has failed: OS can't spawn worker thread"), "{said}");
    for threads in 1..=4 {
        let (exit, said) = serve(threads);
        assert_eq!(exit, Some(5), "{threads}: {said}");
        let is_clear = said.contains("error: ") && said.contains("Resource temporarily unavailable");
        assert!(is_clear && !said.contains("panicked"), "{threads}: {said}");
    }
}
