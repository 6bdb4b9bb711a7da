//! A throw-away working copy to run quire in, with a home and a data folder of its own.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::engine;

/// What pipelines name as a remote; a bare repository of the place stands for it.
pub(super) const REMOTE: &str = "https://github.com/owner/repo.git";

/// A working copy with a home and a data folder of its own.
pub(super) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new(pipeline: &str, files: &[(String, String)], config: Option<&str>) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["home", "data", "copy/.quire"] {
            fs::create_dir_all(place.path(folder)).unwrap();
        }
        let settings = "[user]\n name = t\n email = t@example.org\n[init]\n defaultBranch = main\n";
        fs::write(place.path("home/.gitconfig"), settings).unwrap();
        if let Some(config) = config {
            fs::write(place.path("data/config.fnl"), config).unwrap();
        }
        for (path, text) in files {
            let path = place.path("copy").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let remote = place.path("remote.git");
        let text = pipeline.replace(REMOTE, remote.to_str().unwrap());
        fs::write(place.path("copy/.quire/ci.fnl"), text).unwrap();
        if pipeline.contains(REMOTE) {
            place.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
        }
        place.git(&["init", "-q"]);
        place.git(&["add", "-A"]);
        place.git(&["commit", "-q", "-m", "an example"]);
        place
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// A program in the working copy.
    pub(super) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.path("copy"))
            .env_clear()
            .envs(engine::variables())
            .env("HOME", self.path("home"))
            .env("QUIRE_DATA", self.path("data"))
            .env("GIT_CONFIG_SYSTEM", "/dev/null");
        command
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        let output = self.command("git", args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(super) fn quire(&self, args: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_quire"), args).output().unwrap()
    }

    /// All that the only run has logged.
    pub(super) fn logs(&self) -> String {
        let mut folders = vec![self.path("home/.cache/quire/ci/run-1/log")];
        let mut text = String::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    text.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
                }
            }
        }
        text
    }
}
