//! `quire artifacts`: the files that a run has kept, listed or fetched.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use clap::Args;
use ring::digest::{Context, SHA256};
use serde_json::json;

use super::ask::here;
use super::exit::{Code, Ended, Failure, print, print_json};
use super::place::{expect_access, note_if_empty};
use crate::app::{find_run_or_latest, list_artifacts, open_artifact};
use crate::config::DataDir;
use crate::model::hex;
use crate::view::{ArtifactShape, one_line};

/// What is copied at once, in bytes.
const PART: usize = 64 << 10;

/// The file name that stands for standard output.
const STDOUT: &str = "-";

/// `quire artifacts`
#[derive(Debug, Args)]
pub(super) struct ArtifactArgs {
    /// foo#41, the id of the run, or foo for its latest run
    pub(super) run: String,
    /// The artifact to write to standard output, or to the file of --output
    pub(super) artifact: Option<String>,
    /// Write the artifact into this file
    #[arg(short, long, value_name = "FILE", requires = "artifact")]
    pub(super) output: Option<String>,
    /// The list as a JSON array
    #[arg(long, conflicts_with = "artifact")]
    pub(super) json: bool,
}

impl ArtifactArgs {
    /// Whether a file of this machine is written.
    pub(super) fn writes_a_file(&self) -> bool {
        self.output.as_ref().is_some_and(|file| file != STDOUT)
    }
}

/// Lists or fetches, from the data folder.
pub(super) fn perform(data: &DataDir, args: &ArtifactArgs) -> Ended {
    match &args.artifact {
        None => {
            let artifacts = here(data, async |app| {
                let row = find_run_or_latest(app, &args.run).await?;
                expect_access(app, &row)?;
                list_artifacts(app, row).await
            })?;
            print_artifacts(&artifacts, args.json);
            Ok(Code::Done)
        }
        Some(path) => {
            let (artifact, file) = here(data, async |app| {
                let row = find_run_or_latest(app, &args.run).await?;
                expect_access(app, &row)?;
                open_artifact(app, row, path).await
            })?;
            save(args, &artifact, file)
        }
    }
}

/// Prints a list of artifacts.
pub(super) fn print_artifacts(artifacts: &[ArtifactShape], as_json: bool) {
    if as_json {
        return print_json(&json!(artifacts));
    }
    note_if_empty(artifacts.is_empty(), "the run has no artifacts");
    let widest =
        artifacts.iter().map(|artifact| artifact.size_bytes.to_string().len()).max().unwrap_or_default();
    let line = |artifact: &ArtifactShape| {
        let tests = artifact.tests.as_ref().map(|tests| format!("  {}", tests.line())).unwrap_or_default();
        let until = artifact.expires_at.as_ref().map(|time| format!("  until {time}")).unwrap_or_default();
        let (size, path, job) = (artifact.size_bytes, one_line(&artifact.path), one_line(&artifact.job));
        format!("{size:>widest$}  {path}  {job}{tests}{until}\n")
    };
    print(&artifacts.iter().map(line).collect::<String>());
}

/// Writes the content of an artifact where it is to go, and checks that it is all of it.
pub(super) fn save(args: &ArtifactArgs, artifact: &ArtifactShape, from: impl Read) -> Ended {
    match args.output.as_deref().filter(|file| *file != STDOUT) {
        None => {
            let out = io::stdout();
            if out.is_terminal() && args.output.is_none() {
                let path = one_line(&artifact.path);
                return Err(Failure::new(Code::Usage, format!("{path} is not written to a terminal"))
                    .hint("write it into a file: --output FILE, or > FILE"));
            }
            copy(from, &mut out.lock(), artifact)
        }
        Some(file) => save_file(Path::new(file), artifact, from),
    }
}

/// Writes a file beside the one that is meant, and puts it in its place when it is whole.
fn save_file(file: &Path, artifact: &ArtifactShape, from: impl Read) -> Ended {
    let wrong = |error: &io::Error| {
        Failure::new(Code::Broken, format!("could not write {}: {error}", file.display()))
    };
    let is_plain = file.symlink_metadata().map_or(true, |found| found.is_file());
    if !is_plain {
        // A device, a pipe or a link is written to as it is.
        let mut to = File::create(file).map_err(|error| wrong(&error))?;
        return copy(from, &mut to, artifact);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let part = folder.join(format!(".{name}.{}.part", std::process::id()));
    let mut to = File::create_new(&part).map_err(|error| wrong(&error))?;
    let saved = copy(from, &mut to, artifact)
        .and_then(|code| std::fs::rename(&part, file).map(|()| code).map_err(|error| wrong(&error)));
    if saved.is_err() {
        let _left = std::fs::remove_file(&part).is_err();
    }
    saved
}

fn copy(mut from: impl Read, to: &mut dyn Write, artifact: &ArtifactShape) -> Ended {
    let broken = |what: &str, error: &io::Error| {
        Failure::new(Code::Broken, format!("could not {what} the artifact: {error}"))
    };
    let mut hash = Context::new(&SHA256);
    let mut part = vec![0; PART];
    loop {
        let read = match from.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| broken("read", &error))?,
        };
        let Some(bytes) = part.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        match to.write_all(bytes) {
            // Nobody reads it any more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Code::Done),
            written => written.map_err(|error| broken("write", &error))?,
        }
    }
    to.flush().map_err(|error| broken("write", &error))?;
    let digest = hex(hash.finish().as_ref());
    if digest == artifact.sha256 {
        return Ok(Code::Done);
    }
    let text = format!("{} is not as it was kept: its SHA-256 is {digest}", one_line(&artifact.path));
    Err(Failure::new(Code::Broken, text))
}
