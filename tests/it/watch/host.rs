//! A data folder with a server that can be killed, and a repository that it does not host.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The binary under test.
const QUIRE: &str = env!("CARGO_BIN_EXE_quire");

/// The longest wait for a fact. Far beyond what any takes: machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Host {
    folder: tempfile::TempDir,
    server: Option<Child>,
}

impl Host {
    /// A data folder with this configuration, and a repository `there` without a commit. No server runs.
    pub(super) fn new(config: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("quire-watch-").tempdir().unwrap();
        let host = Self { folder, server: None };
        for name in ["data", "home"] {
            fs::create_dir(host.path(name)).unwrap();
        }
        let identity = "[user]\n name = t\n email = t@example.org\n[init]\n defaultBranch = main\n";
        fs::write(host.path("gitconfig"), identity).unwrap();
        host.configure(config);
        host.git(&["init", "-q", "--bare", "there.git"]);
        host
    }

    pub(super) fn configure(&self, config: &str) {
        fs::write(self.path("data/config.fnl"), config).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("QUIRE_DATA", self.path("data"))
            .env("GIT_CONFIG_GLOBAL", self.path("gitconfig"))
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .stdin(Stdio::null());
        command
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        let output = self.command("git").args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs quire; its exit code, and what it printed on both streams.
    pub(super) fn quire(&self, args: &[&str]) -> (i32, String) {
        let output = self.command(QUIRE).args(args).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// The JSON that quire prints.
    pub(super) fn json(&self, args: &[&str]) -> Vec<serde_json::Value> {
        let output = self.command(QUIRE).args(args).arg("--json").output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts quire beside the test.
    pub(super) fn quire_beside(&self, args: &[&str]) -> Child {
        self.command(QUIRE).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Makes commits on a branch of `there`, each with a pipeline that does nothing but pass.
    pub(super) fn commits(&self, branch: &str, count: usize) {
        let pipeline = "(local ci (require :quire.ci))\n(ci:job :work [:quire/push] (fn [] (sh \"true\")))\n";
        let from = self.git(&[
            "-C",
            "there.git",
            "for-each-ref",
            "--format=%(objectname)",
            &format!("refs/heads/{branch}"),
        ]);
        let mut stream = format!("blob\nmark :1\ndata {}\n{pipeline}\n", pipeline.len());
        for number in 0..count {
            let parent = match number {
                0 if from.is_empty() => String::new(),
                0 => format!("from {from}\n"),
                _ => String::new(),
            };
            stream.push_str(&format!(
                "commit refs/heads/{branch}\ncommitter t <t@example.org> 1700000000 +0000\ndata 1\nm\n{parent}M 100644 :1 .quire/ci.fnl\n\
                 M 100644 inline n\ndata {}\n{}\n",
                format!("{from}{number}").len(),
                format_args!("{from}{number}")
            ));
        }
        let mut import = self.command("git");
        import.args(["-C", "there.git", "fast-import", "--quiet"]).stdin(Stdio::piped());
        let mut import = import.spawn().unwrap();
        import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
        assert!(import.wait().unwrap().success());
    }

    pub(super) fn tip(&self, branch: &str) -> String {
        self.git(&["-C", "there.git", "rev-parse", branch])
    }

    /// Starts the server and waits until it answers.
    pub(super) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same with variables in the server's environment.
    pub(super) fn start_with(&mut self, variables: &[(&str, &str)]) {
        assert!(self.server.is_none());
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("serve.log")).unwrap();
        let mut serve = self.command(QUIRE);
        serve.envs(variables.iter().copied());
        self.server = Some(serve.args(["serve", "--bind", "none"]).stderr(log).spawn().unwrap());
        let socket = self.path("data/server.sock");
        let answers = || {
            let asked = quire::sys::http_client::request(&socket, "GET", "/healthz", b"", PATIENCE);
            asked.is_ok_and(|answer| answer.status == 200)
        };
        until("the server answers", || answers().then_some(()));
    }

    /// Kills the server as nothing can be survived: SIGKILL.
    pub(super) fn kill_server(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// The state of the one watch.
    pub(super) fn state(&self) -> String {
        self.json(&["watch", "list"])[0]["state"].as_str().unwrap().to_owned()
    }

    pub(super) fn runs(&self) -> Vec<serde_json::Value> {
        self.json(&["runs", "--limit", "100000"])
    }

    /// Waits until a run has passed.
    pub(super) fn passed(&self, run: &str) {
        until(run, || (self.quire(&["show", run]).0 == 0).then_some(()));
        assert_eq!(self.quire(&["wait", run]).0, 0);
    }

    /// The processes that connect to remotes for this data folder.
    pub(super) fn speaking(&self) -> Vec<quire::sys::process::Pid> {
        let instance = quire::config::Instance::read(&self.path("data")).unwrap().unwrap();
        let mark = format!("{}={instance}", quire::watch::FETCH_MARK);
        let all = quire::sys::process::all().into_iter();
        all.filter(|pid| quire::sys::process::environment_has(*pid, &[mark.as_bytes()])).collect()
    }

    pub(super) fn server_log(&self) -> String {
        fs::read_to_string(self.path("serve.log")).unwrap_or_default()
    }

    /// The files below the data folder, but for config.fnl, that hold a text.
    pub(super) fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.path("data")];
        while let Some(folder) = open.pop() {
            for path in fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                let holds = |path: &Path| {
                    fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
                };
                if path.is_dir() {
                    open.push(path);
                } else if path.is_file() && !path.ends_with("config.fnl") && holds(&path) {
                    found.push(path);
                }
            }
        }
        found
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.server_log());
        }
        if let Some(mut server) = self.server.take() {
            let _gone = server.kill().is_err();
            let _reaped = server.wait().is_err();
        }
    }
}

/// Waits until `look` finds something, and gives that.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
