//! The world of one story: a folder of its own with data folder, home and git configuration, and real processes.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::engine;

/// How long a command, or a fact that has to come, may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// How long to wait before a fact is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a command printed on both streams, and its exit code: 128 and the signal when one killed it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub output: String,
    pub exit: i32,
}

/// The world of one story. When it goes, all that was started in it goes.
pub(crate) struct World {
    folder: tempfile::TempDir,
    server: Option<Child>,
    others: Vec<Child>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("quire-story-").tempdir().unwrap();
        let world = Self { folder, server: None, others: Vec::new() };
        for name in ["bin", "home", "data"] {
            fs::create_dir(world.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_quire"), world.path().join("bin/quire")).unwrap();
        let config = "[user]\n name = tester\n email = tester@example.org\n[init]\n defaultBranch = main\n\
                      [advice]\n detachedHead = false\n[push]\n default = simple\n";
        fs::write(world.path().join("gitconfig"), config).unwrap();
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program in the story's world.
    pub(crate) fn command(&self, program: &str) -> Command {
        // The Python of dev/setup, which has a mail server, stands before the one of the machine.
        let root = env!("CARGO_MANIFEST_DIR");
        let variables = engine::variables();
        let path = format!(
            "{}/bin:{root}/target/venv/bin:{}",
            self.path().display(),
            variables.iter().find(|(name, _)| *name == "PATH").unwrap().1
        );
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(variables)
            .env("PATH", path)
            .env("T", self.path())
            .env("RECEIVERS", Path::new(root).join("tests/receivers"))
            .env("HOME", self.path().join("home"))
            .env("QUIRE_DATA", self.path().join("data"))
            .env("GIT_CONFIG_GLOBAL", self.path().join("gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LANG", "C.UTF-8")
            .env("USER", "tester")
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a program to its end; one that takes too long is killed with all of its session.
    pub(crate) fn run(&self, command: &mut Command) -> Ended {
        let (mut reader, writer) = std::io::pipe().unwrap();
        command.stdout(writer.try_clone().unwrap()).stderr(writer).process_group(0);
        let mut child = command.spawn().unwrap();
        // The command holds the other ends of the pipe.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let read = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let deadline = Instant::now() + PATIENCE;
        while !read.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let is_late = !read.is_finished();
        if is_late {
            kill_group(child.id());
        }
        let status = child.wait().unwrap();
        let mut output = read.join().unwrap();
        if is_late {
            output.push_str("\n(killed: it took too long)\n");
        }
        Ended { output, exit: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()) }
    }

    /// Starts a command beside the story.
    pub(crate) fn background(&mut self, command: &str) {
        let mut shell = self.command("sh");
        shell.args(["-c", command]).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        self.others.push(shell.spawn().unwrap());
    }

    /// Starts the server and waits until it answers. `Err` is what it said when it ended instead.
    pub(crate) fn serve(&mut self, args: &[&str]) -> Result<(), String> {
        assert!(self.server.is_none(), "the server runs already");
        let bind: &[&str] = if args.contains(&"--bind") { &[] } else { &["--bind", "none"] };
        let is_variable = |arg: &&&str| arg.contains('=') && !arg.starts_with('-');
        let folder = self.path().to_str().unwrap().to_owned();
        // By its path, because another `PATH` may be asked for.
        let mut command = self.command(self.path().join("bin/quire").to_str().unwrap());
        for (name, value) in args.iter().filter(is_variable).filter_map(|arg| arg.split_once('=')) {
            command.env(name, value.replace("$T", &folder));
        }
        command.arg("serve").args(bind).args(args.iter().filter(|arg| !is_variable(arg)));
        self.start(command, args.contains(&"--no-socket"))
    }

    /// Starts a command that serves this data folder, and waits until it answers.
    pub(crate) fn start(&mut self, mut command: Command, has_no_socket: bool) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let starts = self.starts();
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !(if has_no_socket { self.starts() > starts } else { self.answers() }) {
            if let Some(status) = child.try_wait().unwrap() {
                return Err(format!("the server ended: {status}\n{}", self.serve_log()));
            }
            assert!(Instant::now() < deadline, "quire serve does not answer\n{}", self.serve_log());
            std::thread::sleep(Duration::from_millis(2));
        }
        self.server = Some(child);
        Ok(())
    }

    /// How often a server has said that it serves: the only sign of one without a socket.
    fn starts(&self) -> usize {
        self.serve_log().matches(" serving ").count()
    }

    fn answers(&self) -> bool {
        use std::io::Write;
        let Ok(mut stream) = UnixStream::connect(self.path().join("data/server.sock")) else { return false };
        let mut answer = [0; 12];
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer.ends_with(b"200")
    }

    /// The process id of the server that runs.
    pub(crate) fn server_pid(&self) -> u32 {
        self.server.as_ref().expect("the server runs").id()
    }

    /// Whether the server has ended by itself.
    pub(crate) fn has_server_ended(&mut self) -> bool {
        let has_ended = self.server.as_mut().is_some_and(|server| server.try_wait().unwrap().is_some());
        if has_ended {
            self.server = None;
        }
        has_ended
    }

    /// Ends the server: `TERM` or `KILL`.
    pub(crate) fn end_server(&mut self, signal: &str) {
        let mut server = self.server.take().expect("the server runs");
        signal_to(signal, &server.id().to_string());
        let deadline = Instant::now() + PATIENCE;
        while server.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "quire serve does not end by {signal}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn log(&self) -> PathBuf {
        self.path().join("serve.log")
    }

    pub(crate) fn serve_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Looks for a fact until it is there; false when it does not come.
    pub(crate) fn eventually(&self, mut is_there: impl FnMut(&Self) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if is_there(self) {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// The processes of this world: what names its folder in its environment, or works in it.
    pub(crate) fn processes(&self) -> Vec<String> {
        let folder = self.path().as_os_str().as_encoded_bytes();
        let own = std::process::id().to_string();
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let is_ours = |name: &String| {
            let process = Path::new("/proc").join(name);
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            let works_in = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(self.path()));
            works_in || environment.windows(folder.len()).any(|part| part == folder)
        };
        names
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own)
            .filter(is_ours)
            .collect()
    }
}

impl World {
    /// Kills everything that was started in it.
    pub(crate) fn stop_everything(&mut self) {
        // Again and again: what is killed first may have started another in between.
        for _ in 0..50 {
            let mut left = self.processes();
            // Who is not root cannot look into quire's own: those below what was started here are known all the same.
            let alive = self.server.iter_mut().chain(&mut self.others).filter_map(alive);
            for child in alive.collect::<Vec<_>>() {
                left.extend(children_of(&child));
                left.push(child);
            }
            for pid in &left {
                signal_to("KILL", pid);
            }
            if left.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop_everything();
    }
}

/// The process id of a child that has not ended.
fn alive(child: &mut Child) -> Option<String> {
    child.try_wait().is_ok_and(|ended| ended.is_none()).then(|| child.id().to_string())
}

fn children_of(pid: &str) -> Vec<String> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().map(str::to_owned).collect()
}

fn signal_to(signal: &str, pid: &str) {
    let signal = match signal {
        "TERM" => Signal::TERM,
        _ => Signal::KILL,
    };
    if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
        let _gone = kill_process(pid, signal).is_err();
    }
}

/// Not by `kill`: that of procps 4.0.2 takes the id of a group that begins with 1 for -1, and kills every process.
fn kill_group(leader: u32) {
    if let Some(leader) = Pid::from_raw(leader.cast_signed()) {
        let _gone = kill_process_group(leader, Signal::KILL).is_err();
    }
}
