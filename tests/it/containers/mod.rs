//! Containers under attack: real podman, a real server, and nothing left afterwards.
//!
//! Each test has a data folder of its own, and looks at its own containers only, by the label of its runs.

pub(crate) mod addons;
mod docker;
mod ends;
pub(crate) mod full_disk;
mod hostile;
mod killed;
mod pull;
mod rootless;
mod same;
mod secrets;
mod services;
mod users;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::engine;
use super::stories::world::{Ended, World};

/// A data folder with one repository `foo`, a working copy of it, and a server.
pub(super) struct Boxes {
    pub(super) world: World,
    /// How many pushes there were.
    pushes: u64,
}

impl Boxes {
    /// Nothing where no container can be run, which has been said then.
    pub(super) fn new(config: &str) -> Option<Self> {
        engine::can_run_containers().then(|| Self::serving(config, &[]))
    }

    /// With these variables for the server.
    pub(super) fn serving(config: &str, serve: &[&str]) -> Self {
        Self::in_world(World::new(), config, serve)
    }

    /// In a world that is there.
    pub(super) fn in_world(mut world: World, config: &str, serve: &[&str]) -> Self {
        fs::write(world.path().join("data/config.fnl"), config).unwrap();
        let made = "quire repo new foo >/dev/null && git init -q foo && mkdir foo/.quire &&
                    git -C foo remote add origin $T/data/repos/foo.git";
        let ended = world.run(world.command("sh").args(["-c", made]));
        assert_eq!(ended.exit, 0, "{}", ended.output);
        world.serve(serve).unwrap();
        Self { world, pushes: 0 }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.world.path().join(name)
    }

    /// Pushes a pipeline and gives the name of its run. `$T` in it is the folder of the test.
    pub(super) fn push(&mut self, jobs: &str) -> String {
        let jobs = jobs.replace("$T", self.world.path().to_str().unwrap());
        let text = format!("(local ci (require :quire.ci))\n{jobs}\n");
        fs::write(self.path("foo/.quire/ci.fnl"), text).unwrap();
        let branch = format!("HEAD:refs/heads/b{}", self.pushes);
        for args in
            [&["add", "-A"][..], &["commit", "-qm", "m", "--allow-empty"], &["push", "-q", "origin", &branch]]
        {
            let ended = self.world.run(self.world.command("git").args(["-C", "foo"]).args(args));
            assert_eq!(ended.exit, 0, "{}", ended.output);
        }
        self.pushes += 1;
        format!("foo#{}", self.pushes)
    }

    pub(super) fn quire(&self, args: &[&str]) -> Ended {
        self.world.run(self.world.command("quire").args(args))
    }

    /// Waits until a run has ended; gives what is known of it, as JSON.
    pub(super) fn wait(&self, run: &str) -> Value {
        let is_over = |world: &World| {
            let shown = world.run(world.command("quire").args(["show", run, "--json"]));
            serde_json::from_str::<Value>(&shown.output).is_ok_and(|run| run["state"] == "finished")
        };
        if !self.world.eventually(is_over) {
            panic!("{run} does not end\n{}\n{}", self.quire(&["show", run]).output, self.world.serve_log());
        }
        self.show(run)
    }

    /// Waits until a run has ended so, and gives what is shown of it.
    pub(super) fn ends(&self, run: &str, outcome: &str) -> String {
        let value = self.wait(run);
        let shown = self.quire(&["show", run]).output;
        let logs = self.quire(&["logs", run]).output;
        assert_eq!(value["outcome"], outcome, "{shown}\n{logs}\n{}", self.world.serve_log());
        shown
    }

    pub(super) fn show(&self, run: &str) -> Value {
        serde_json::from_str(&self.quire(&["show", run, "--json"]).output).unwrap()
    }

    pub(super) fn logs(&self, run: &str, job: &str) -> String {
        self.quire(&["logs", run, job]).output
    }

    pub(super) fn id(&self, run: &str) -> String {
        self.show(run)["id"].as_str().unwrap().to_owned()
    }

    /// The folder that the containers of a run see as `/work`.
    pub(super) fn work(&self, run: &str) -> PathBuf {
        self.path(&format!("data/runs/foo.git/{}/work", run.trim_start_matches("foo#")))
    }

    pub(super) fn journal(&self, run: &str) -> String {
        let number = run.trim_start_matches("foo#");
        fs::read_to_string(self.path(&format!("data/runs/foo.git/{number}/journal.ndjson")))
            .unwrap_or_default()
    }

    /// Waits until a container has made this file in the workspace.
    pub(super) fn appears(&self, run: &str, name: &str) {
        let file = self.work(run).join(name);
        if !self.world.eventually(|_| file.exists()) {
            panic!(
                "{name} does not appear\n{}\n{}",
                self.quire(&["show", run]).output,
                self.world.serve_log()
            );
        }
    }

    /// That nothing of a run is left: no container, nothing in memory, no process.
    pub(super) fn nothing_left(&self, run: &str) {
        let id = self.id(run);
        assert_eq!(containers(&id), Vec::<String>::new(), "{run}\n{}", self.world.serve_log());
        assert_eq!(named_after(Path::new("/dev/shm"), &id), Vec::<PathBuf>::new(), "{run}");
        self.no_process_left(run);
        self.no_cgroup_left(run);
    }

    /// That the folders are gone in which the kernel knew a run's steps.
    pub(super) fn no_cgroup_left(&self, run: &str) {
        let id = self.id(run);
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            let group = Path::new(mount).join(own);
            let is_gone = |_: &World| named_after(&group, &id).is_empty();
            assert!(self.world.eventually(is_gone), "{run} has left {:?}", named_after(&group, &id));
        }
    }

    /// That no process of a run is left, also when its engine cannot be asked.
    pub(super) fn no_process_left(&self, run: &str) {
        let id = self.id(run);
        let mark = format!("QUIRE_RUN={id}");
        let is_gone = |_: &World| processes(|process| contains(&process.join("environ"), &mark)).is_empty();
        assert!(self.world.eventually(is_gone), "processes of {run} are left");
    }
}

impl Drop for Boxes {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // A test that failed leaves nothing, either.
        self.world.stop_everything();
        for number in 1..=self.pushes {
            let id = self.id(&format!("foo#{number}"));
            for container in containers(&id) {
                engine::remove(&container);
            }
            for left in named_after(Path::new("/dev/shm"), &id) {
                let _gone = fs::remove_dir_all(left);
            }
        }
    }
}

/// What of a folder is named after a run.
pub(super) fn named_after(folder: &Path, id: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains(id)).collect()
}

/// The ids of a run's containers.
pub(crate) fn containers(id: &str) -> Vec<String> {
    let filter = format!("label=quire.run={id}");
    let listed = engine::call(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]);
    String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The ids of processes whose folder in `/proc` is like this.
pub(super) fn processes(is_so: impl Fn(&Path) -> bool) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|name| is_so(&Path::new("/proc").join(name)))
        .collect()
}

/// Whether a file of `/proc` has this text.
pub(super) fn contains(file: &Path, text: &str) -> bool {
    fs::read(file).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// Kills one process as nothing can be survived.
pub(super) fn kill(pid: &str) {
    let killed = std::process::Command::new("kill").args(["-9", pid]).status().unwrap();
    assert!(killed.success());
}

/// The process that is the engine's client of a step.
pub(super) fn client(id: &str, step: &str) -> String {
    let name = format!("quire-{id}-{step}\0");
    let is_client = |process: &Path| {
        contains(&process.join("cmdline"), &name)
            && fs::read_link(process.join("exe")).is_ok_and(|exe| exe.ends_with(engine::name()))
            && contains(&process.join("cmdline"), "\0run\0")
    };
    let found = processes(is_client);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}
