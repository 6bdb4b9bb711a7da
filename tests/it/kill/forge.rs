//! A throw-away quire: a data folder with one repository, a working copy of it, and a server that can be killed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use quire::sys::process::Pid;

use super::wait::{until, until_true};

/// The binary under test.
pub(super) const QUIRE: &str = env!("CARGO_BIN_EXE_quire");

pub(super) struct Forge {
    folder: tempfile::TempDir,
    server: Option<Child>,
}

/// What is recorded of one ref update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) old: String,
    pub(super) new: String,
    pub(super) pusher: Option<String>,
    pub(super) options: Option<Vec<String>>,
    /// How many runs it has.
    pub(super) runs: usize,
}

/// A `git push` that is to be made.
pub(super) struct Push {
    command: Command,
    remote: PathBuf,
    refspecs: Vec<String>,
}

/// What became of a push.
#[derive(Debug)]
pub(super) struct Pushed {
    pub(super) is_accepted: bool,
    pub(super) text: String,
}

impl Forge {
    /// A quire whose repository `foo` has nothing yet, and a working copy whose one commit has a pipeline that does
    /// `command`. No server runs.
    pub(super) fn new(config: &str, command: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("quire-kill-").tempdir().unwrap();
        let forge = Self { folder, server: None };
        fs::create_dir_all(forge.path("data")).unwrap();
        fs::create_dir_all(forge.path("home")).unwrap();
        fs::create_dir_all(forge.path("work/.quire")).unwrap();
        let identity = "[user]\n name = t\n email = t@example.org\n[init]\n defaultBranch = main\n";
        fs::write(forge.path("gitconfig"), identity).unwrap();
        fs::write(forge.path("data/config.fnl"), config).unwrap();
        forge.quire(["repo", "new", "foo"]);
        forge.git(["init", "-q"]);
        let remote = forge.path("data/repos/foo.git");
        forge.git([OsStr::new("remote"), OsStr::new("add"), OsStr::new("origin"), remote.as_os_str()]);
        forge.commit(command);
        forge
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn repo(&self) -> PathBuf {
        self.path("data/repos/foo.git")
    }

    /// A command in the working copy, with nothing of the tester's own git.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_GLOBAL", self.path("gitconfig"))
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .stdin(Stdio::null());
        command
    }

    pub(super) fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        text_of(&self.command("git").args(args).output().unwrap())
    }

    pub(super) fn quire<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        text_of(&self.command(QUIRE).arg("--data").arg(self.path("data")).args(args).output().unwrap())
    }

    /// Commits a pipeline of one job that does this, and gives the commit's id.
    pub(super) fn commit(&self, command: &str) -> String {
        let command = command.replace('\\', "\\\\").replace('"', "\\\"");
        let job = format!(
            "(local ci (require :quire.ci))\n(ci:job :work [:quire/push] (fn [] (sh \"{command}\")))\n"
        );
        self.commit_pipeline(&job)
    }

    /// Commits a pipeline, and gives the commit's id.
    pub(super) fn commit_pipeline(&self, text: &str) -> String {
        fs::write(self.path("work/.quire/ci.fnl"), text).unwrap();
        self.git(["add", "-A"]);
        self.git(["commit", "-q", "--allow-empty", "-m", "m"]);
        self.head()
    }

    pub(super) fn head(&self) -> String {
        self.git(["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Starts the server and waits until it answers.
    pub(super) fn start(&mut self) {
        self.start_by(self.command(QUIRE));
    }

    /// Starts the server through strace(1), which makes system calls on this path fail: `read:error=EIO:when=1..3`.
    pub(super) fn start_with_faults(&mut self, path: &Path, faults: &[&str]) {
        self.start_with_faults_on(&[path.to_owned()], faults);
    }

    /// The same for several paths.
    pub(super) fn start_with_faults_on(&mut self, paths: &[PathBuf], faults: &[&str]) {
        let mut strace = self.command("strace");
        strace.args(["-D", "-f", "-qq", "-o"]).arg(self.path("faults"));
        for path in paths {
            strace.arg("-P").arg(path);
        }
        let calls: Vec<&str> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
        strace.arg("-e").arg(format!("trace={}", calls.join(",")));
        for fault in faults {
            strace.arg("-e").arg(format!("inject={fault}"));
        }
        strace.args(["--", QUIRE]);
        self.start_by(strace);
    }

    fn start_by(&mut self, mut serve: Command) {
        assert!(self.server.is_none());
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("serve.log")).unwrap();
        serve.args(["serve", "--bind", "none", "--data"]).arg(self.path("data")).stderr(log);
        self.server = Some(serve.spawn().unwrap());
        let socket = self.path("data/server.sock");
        until_true("the server is ready", || is_healthy(&socket));
    }

    /// Kills the server as nothing can be survived: SIGKILL.
    pub(super) fn kill_server(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// The server's process id.
    pub(super) fn server_pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// Takes note that something else has killed the server.
    pub(super) fn bury_server(&mut self) {
        self.server.take().unwrap().wait().unwrap();
    }

    /// A push to the repository; as over ssh, the pusher's environment knows nothing of the data folder.
    pub(super) fn push(&self, refspec: &str) -> Push {
        self.push_all(&[refspec.to_owned()])
    }

    /// A push of several refs.
    pub(super) fn push_all(&self, refspecs: &[String]) -> Push {
        let mut command = self.command("git");
        command.arg("push");
        Push { command, remote: "origin".into(), refspecs: refspecs.to_vec() }
    }

    /// Has git find its hooks in a folder of the test's. The server leaves that folder alone.
    pub(super) fn hooks_from(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let repo = self.repo();
        self.git([
            OsStr::new("-C"),
            repo.as_os_str(),
            "config".as_ref(),
            "core.hooksPath".as_ref(),
            folder.as_ref(),
        ]);
    }

    /// Writes a hook in place of quire's; `$QUIRE_HOOK` in it is quire's own.
    pub(super) fn wrap_hook(&self, hook: &str, script: &str) {
        let (folder, links) = (self.path("hooks"), self.path("links"));
        self.hooks_from(&folder);
        fs::create_dir_all(&links).unwrap();
        let link = links.join(hook);
        if !link.exists() {
            std::os::unix::fs::symlink(QUIRE, &link).unwrap();
        }
        write_script(&folder.join(hook), &format!("QUIRE_HOOK={}\n{script}", link.display()));
    }

    /// Cancels a run, as a person does.
    pub(super) fn cancel(&self, number: u64) {
        self.quire(["cancel", &format!("foo#{number}")]);
    }

    /// All runs, newest first.
    pub(super) fn runs(&self) -> Vec<serde_json::Value> {
        let text = self.quire(["runs", "--repo", "foo", "--limit", "100000", "--json"]);
        serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap()
    }

    /// The run of a number.
    pub(super) fn run(&self, number: u64) -> Option<serde_json::Value> {
        self.runs().into_iter().find(|run| run["number"] == number)
    }

    /// Waits until a run has ended; gives its outcome.
    pub(super) fn outcome(&self, number: u64) -> String {
        until(&format!("run {number} has ended"), || {
            let run = self.run(number)?;
            (run["state"] == "finished").then(|| run["outcome"].as_str().unwrap().to_owned())
        })
    }

    /// The refs of the repository, with their values.
    pub(super) fn refs(&self) -> BTreeMap<String, String> {
        let repo = self.repo();
        let format = "--format=%(refname) %(objectname)".as_ref();
        let text = self.git([OsStr::new("-C"), repo.as_os_str(), "for-each-ref".as_ref(), format]);
        text.lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(r, v)| (r.to_owned(), v.to_owned()))
            .collect()
    }

    /// What is recorded of a ref, oldest first.
    pub(super) fn updates(&self, ref_name: &str) -> Vec<Update> {
        let connection = quire::store::open_read_only(&self.path("data/quire.db")).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT u.old, u.new, u.pusher, p.options, (SELECT count(*) FROM runs r WHERE r.update_id = u.id)
                 FROM updates u LEFT JOIN pushes p USING (push) WHERE u.ref = ?1 ORDER BY u.id",
            )
            .unwrap();
        let rows = statement.query_map([ref_name.as_bytes()], |row| {
            let options: Option<String> = row.get(3)?;
            Ok(Update {
                old: row.get(0)?,
                new: row.get(1)?,
                pusher: row.get(2)?,
                options: options.map(|text| serde_json::from_str(&text).unwrap()),
                runs: usize::try_from(row.get::<_, i64>(4)?).unwrap(),
            })
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Waits until nothing is under way: the spool is taken in, each push is closed, each run has ended. Pushes a
    /// sentinel first, so that the server has looked at the repository after everything that came before.
    pub(super) fn settle(&self) {
        let branch = format!("sentinel-{}", self.refs().len());
        let pushed = self.push(&format!("HEAD:refs/heads/{branch}")).option("ci.skip").go();
        assert!(pushed.is_accepted, "{}", pushed.text);
        let is_settled = || {
            let connection = quire::store::open_read_only(&self.path("data/quire.db")).unwrap();
            let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            count("SELECT count(*) FROM pushes WHERE is_open = 1") == 0
                && count("SELECT count(*) FROM runs WHERE state <> 'finished'") == 0
                && self.spooled().is_empty()
                && self.updates(&format!("refs/heads/{branch}")).len() == 1
        };
        until_true("everything is settled", is_settled);
    }

    /// The intents that are in the spool.
    pub(super) fn spooled(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("data/spool")).into_iter().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
        paths
    }

    /// The process id of a run's runner.
    pub(super) fn runner_of(&self, number: u64) -> Pid {
        let lock = self.path(&format!("data/runs/foo.git/{number}/lock"));
        until("the run has a runner", || {
            let pid: i32 = fs::read_to_string(&lock).ok()?.trim().parse().ok()?;
            Pid::from_raw(pid).filter(|_| quire::sys::lock::is_held(&lock).unwrap_or(false))
        })
    }

    /// The process id of a run's runner as soon as it has one; nothing when the run ends before it is seen.
    pub(super) fn runner_of_or_end(&self, number: u64) -> Option<Pid> {
        let folder = self.path(&format!("data/runs/foo.git/{number}"));
        until("the run has a runner or an end", || {
            let pid: Option<i32> =
                fs::read_to_string(folder.join("lock")).ok().and_then(|t| t.trim().parse().ok());
            match pid.and_then(Pid::from_raw) {
                Some(pid) if is_alive(pid.as_raw_pid()) => Some(Some(pid)),
                _ => fs::read_to_string(folder.join("journal.ndjson"))
                    .ok()
                    .filter(|t| t.contains("run-ended"))
                    .map(|_| None),
            }
        })
    }

    /// What the server answers to who asks how it is.
    pub(super) fn health(&self) -> String {
        health(&self.path("data/server.sock"))
    }

    /// What the journal of a run says by now.
    pub(super) fn journal(&self, number: u64) -> String {
        fs::read_to_string(self.path(&format!("data/runs/foo.git/{number}/journal.ndjson")))
            .unwrap_or_default()
    }

    /// Whether a repository with this id is recorded as there.
    pub(super) fn server_knows(&self, id: &str) -> bool {
        let connection = quire::store::open_read_only(&self.path("data/quire.db")).unwrap();
        let sql = "SELECT count(*) FROM repos WHERE id = ?1 AND present = 1";
        connection.query_row(sql, [id], |row| row.get::<_, i64>(0)).unwrap() == 1
    }

    /// What the server said.
    pub(super) fn server_log(&self) -> String {
        fs::read_to_string(self.path("serve.log")).unwrap_or_default()
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let folder = self.path("");
            eprintln!("{}\nthe server of {} said:\n{}", "-".repeat(72), folder.display(), self.server_log());
        }
        if let Some(mut server) = self.server.take() {
            let _gone = server.kill().is_err();
            let _reaped = server.wait().is_err();
        }
    }
}

impl Push {
    pub(super) fn option(mut self, option: &str) -> Self {
        self.command.args(["-o", option]);
        self
    }

    /// To another repository than `origin`.
    pub(super) fn to(self, repo: &Path) -> Self {
        Self { remote: repo.to_owned(), ..self }
    }

    pub(super) fn force(mut self) -> Self {
        self.command.arg("--force");
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(super) fn receive_pack(mut self, script: &Path) -> Self {
        self.command.arg(format!("--receive-pack={}", script.display()));
        self
    }

    pub(super) fn command(mut self) -> Command {
        self.command.arg(&self.remote).args(&self.refspecs);
        self.command
    }

    pub(super) fn go(self) -> Pushed {
        let output = self.command().output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Pushed { is_accepted: output.status.success(), text }
    }
}

impl Pushed {
    /// Fails unless the push was accepted.
    pub(super) fn accepted(self) -> Self {
        assert!(self.is_accepted, "the push was refused: {}", self.text);
        self
    }
}

/// Writes a shell script that can be executed.
pub(super) fn write_script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn text_of(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn is_healthy(socket: &Path) -> bool {
    health(socket).contains(" 200 ")
}

/// What the server says about itself; nothing when it does not answer.
fn health(socket: &Path) -> String {
    let Ok(mut stream) = UnixStream::connect(socket) else { return String::new() };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n");
    let read = asked.and_then(|()| stream.read_to_string(&mut answer));
    read.map(|_| answer).unwrap_or_default()
}

/// Whether a process is there and has not ended.
pub(super) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next())
        .is_some_and(|state| state != 'Z' && state != 'X')
}

/// Kills a process that the test knows by its id.
pub(super) fn kill(pid: Pid) {
    let killed = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    assert!(killed.is_ok(), "{killed:?}");
}

/// The name of the pusher in these tests.
pub(super) fn me() -> Option<String> {
    quire::sys::user::login_name()
}
