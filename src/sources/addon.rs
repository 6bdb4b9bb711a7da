//! What is kept of an add-on: its manifest, and a job folder for each of its jobs, made from it.
//!
//! `oci/NAME/manifest.yaml` is the manifest; `oci/NAME/jobs/DIGEST/ID/` has a `config.yaml` whose container is the image, and the
//! job's command as its script. DIGEST is that of the manifest and the image, so that a newer one takes no files from a run.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::manifest::{AddonJob, AddonManifest, FILE, MAX_MANIFEST};
use crate::config::DataDir;
use crate::model::shell_word;
use crate::script::hex_sha256;
use crate::sys::folder::Folder;

/// The folders of jobs.
const JOBS: &str = "jobs";

/// The file that names the folder of jobs that counts.
const CURRENT: &str = "jobs/current";

/// The script of a job.
const SCRIPT: &str = "000_command";

/// Keeps the manifest and makes the job folders, for this account alone. They are complete, or what they were before.
pub(super) fn keep(
    data: &DataDir,
    name: &str,
    (text, manifest): (&[u8], &AddonManifest),
    image: &str,
) -> io::Result<()> {
    let place = Folder::open(data.path())?.make_dirs(Path::new("oci").join(name), 0o700)?;
    let folder = data.addon(name);
    let digest = hex_sha256(&[image.as_bytes(), b"\n", text].concat());
    let digest = digest.get(..32).unwrap_or(&digest);
    let jobs = Path::new(JOBS).join(digest);
    if place.kind(&jobs)?.is_none() {
        let new = Path::new(JOBS).join(".new");
        place.remove_tree(&new)?;
        let made = place.make_dirs(&new, 0o700)?;
        for (number, job) in manifest.jobs.iter().enumerate() {
            write_job(&made.make_dirs(number.to_string(), 0o755)?, job, image)?;
        }
        fs::rename(folder.join(&new), folder.join(&jobs))?;
    }
    replace(&place, &folder, FILE, text)?;
    replace(&place, &folder, CURRENT, digest.as_bytes())
}

/// Writes a job folder.
fn write_job(folder: &Folder, job: &AddonJob, image: &str) -> io::Result<()> {
    let mut block = json!({ "id": job.id, "name": job.name });
    if let Some(block) = block.as_object_mut().filter(|_| !job.summary.is_empty()) {
        block.insert("summary".to_owned(), job.summary.as_str().into());
    }
    let config = json!({
        "job": block,
        "executor": "container",
        "interpreter": format!("container:{image}"),
        "container": { "entrypoint": ["/bin/sh"] },
        "argspec": { "args": job.args },
    });
    // JSON is YAML.
    folder.create_new("config.yaml", 0o644)?.write_all(config.to_string().as_bytes())?;
    match job.command.as_slice() {
        [] => Ok(()),
        [shell, option, line] if shell == "sh" && option == "-c" => write_script(folder, line),
        words => {
            let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
            write_script(folder, &format!("exec {}", words.join(" ")))
        }
    }
}

fn write_script(folder: &Folder, line: &str) -> io::Result<()> {
    folder.create_new(SCRIPT, 0o755)?.write_all(format!("{line}\n").as_bytes())
}

/// Writes a file that is complete, or what it was before.
fn replace(place: &Folder, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = format!("{name}.new");
    place.remove_tree(&new)?;
    let mut file = place.create_new(&new, 0o600)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(folder.join(new), folder.join(name))
}

/// The add-on that is kept in a folder, and where its job folders are; nothing when it is not there or cannot be used.
pub(super) fn read(folder: &Path) -> Option<(AddonManifest, PathBuf)> {
    let place = Folder::open_no_link(folder).ok()?;
    let manifest = AddonManifest::parse(&place.read(FILE, MAX_MANIFEST as u64).ok()?).ok()?;
    let digest = String::from_utf8(place.read(CURRENT, 64).ok()?).ok()?;
    let jobs = Path::new(JOBS).join(digest);
    place.sub(&jobs).ok()?;
    Some((manifest, folder.join(jobs)))
}
