//! The artifacts of one run on disk: `artifacts/<sha256>` in its folder, one file for each content.
//!
//! A file is copied to a temporary name, synced, and then renamed: under the name of a digest nothing is ever incomplete.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use rustix::fs::{AtFlags, fsync, ioctl_ficlone, renameat, unlinkat};

use super::ArtifactError;
use crate::model::{Quoted, chain, format_size, hex, is_hex};
use crate::secret::RedactStream;
use crate::sys::folder::Folder;
use crate::sys::random::unguessable;

/// The folder of artifacts in the folder of a run.
pub(crate) const ARTIFACTS: &str = "artifacts";

/// What is copied at once, in bytes.
const PART: usize = 256 << 10;

/// How the name of a file ends that is being copied.
const UNFINISHED: &str = ".part";

/// The artifacts of one run.
#[derive(Debug, Clone)]
pub(crate) struct ArtifactStore {
    run_dir: PathBuf,
}

/// What holds for one copy.
pub(crate) struct Rules<'a> {
    /// The most bytes, and what has this limit.
    pub(crate) most: (u64, &'static str),
    /// Finds secrets in the content; nothing when they may be there.
    pub(crate) secrets: Option<RedactStream>,
    /// Whether the copy has to end.
    pub(crate) is_stopped: &'a dyn Fn() -> bool,
}

/// A file that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) size: u64,
    /// In hexadecimal digits; the name of the file.
    pub(crate) sha256: String,
}

impl ArtifactStore {
    /// The artifacts in the folder of a run. Touches nothing.
    pub(crate) fn of(run_dir: &Path) -> Self {
        Self { run_dir: run_dir.to_owned() }
    }

    /// Makes the folder. A run without artifacts has none.
    pub(crate) fn make(&self) -> io::Result<Folder> {
        let run = Folder::open_no_link(&self.run_dir)?;
        if run.kind(ARTIFACTS)?.is_none() {
            let made = run.make_dirs(ARTIFACTS, 0o700)?;
            fsync(&run)?;
            return Ok(made);
        }
        run.sub(ARTIFACTS)
    }

    /// Opens an artifact by its digest.
    pub(crate) fn open(&self, sha256: &str) -> io::Result<File> {
        if !is_digest(sha256) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "not a digest"));
        }
        self.folder()?.open_file(sha256)
    }

    fn folder(&self) -> io::Result<Folder> {
        Folder::open_no_link(&self.run_dir)?.sub(ARTIFACTS)
    }

    /// Copies a file, as it is when it is opened: what is written to it later does not belong to it. `shown` is its name in
    /// messages.
    pub(crate) fn copy(
        &self,
        into: &Folder,
        (source, shown): (File, &str),
        rules: &mut Rules<'_>,
    ) -> Result<Copied, ArtifactError> {
        let shown = Quoted::new(shown);
        let failed =
            |error: &io::Error| ArtifactError::Refused(format!("{shown} cannot be kept: {}", chain(error)));
        let length = source.metadata().map_err(|error| failed(&error))?.len();
        let (most, of) = rules.most;
        if length > most {
            let text = format!("{shown} has {length} bytes, more than the {} {of}", format_size(most));
            return Err(ArtifactError::Refused(text));
        }
        let random = unguessable::<8>().map_err(|error| failed(&error))?;
        let name = format!(".{}{UNFINISHED}", hex(&random));
        let temporary = into.create_new(&name, 0o600).map_err(|error| failed(&error))?;
        let copied = copy_into(&temporary, source.take(length), rules)
            .map_err(|stop| stop.into_error(&shown))
            .and_then(|copied| {
                let kept =
                    temporary.sync_data().and_then(|()| Ok(renameat(into, &name, into, &copied.sha256)?));
                kept.map(|()| copied).map_err(|error| failed(&error))
            });
        if copied.is_err() {
            let _left_for_the_sweep = into.remove_file(&name).is_err();
        }
        copied
    }

    /// Waits until what was copied is there after a loss of power.
    pub(crate) fn settle(folder: &Folder) -> io::Result<()> {
        Ok(fsync(folder)?)
    }

    /// Removes what quire has put there and is not among those to keep, and the folder when nothing is left. Anything else
    /// stays. Gives how many files were removed.
    pub(crate) fn sweep(&self, keep: &HashSet<&str>) -> io::Result<usize> {
        let folder = match self.folder() {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut removed = 0;
        for entry in folder.entries()? {
            if entry.name.to_str().is_some_and(|name| is_own(name) && !keep.contains(name)) {
                folder.remove_file(&entry.name)?;
                removed += 1;
            }
        }
        let run = Folder::open_no_link(&self.run_dir)?;
        // It stays when something is in it.
        let _is_used = unlinkat(&run, OsStr::new(ARTIFACTS), AtFlags::REMOVEDIR).is_err();
        Ok(removed)
    }
}

/// Why a copy has ended early.
enum Stop {
    Asked,
    Secrets(String),
    System(io::Error),
}

impl Stop {
    fn into_error(self, shown: &Quoted) -> ArtifactError {
        match self {
            Self::Asked => ArtifactError::Stopped,
            Self::Secrets(names) => ArtifactError::Refused(format!(
                "{shown} holds the value of a secret ({names}), and artifacts are not redacted; write \
                 `{{:allow-secrets true}}` when that is meant"
            )),
            Self::System(error) => {
                ArtifactError::Refused(format!("{shown} cannot be kept: {}", chain(&error)))
            }
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Copies, counts, hashes and looks for secrets in one pass. Where the file system can share the blocks, they are not
/// written again: what is read then is the copy, which nobody changes.
fn copy_into(to: &File, source: io::Take<File>, rules: &mut Rules<'_>) -> Result<Copied, Stop> {
    let is_clone = ioctl_ficlone(to, source.get_ref()).is_ok();
    let mut source = match is_clone {
        true => to.try_clone()?.take(rules.most.0),
        false => source,
    };
    let mut hash = Context::new(&SHA256);
    let mut part = vec![0; PART];
    let (mut to, mut size) = (to, 0);
    loop {
        if (rules.is_stopped)() {
            return Err(Stop::Asked);
        }
        let read = match source.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let Some(bytes) = part.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        if let Some(secrets) = &mut rules.secrets {
            secrets.pass_on(bytes, &mut |_| {});
        }
        if !is_clone {
            to.write_all(bytes)?;
        }
        size += read as u64;
    }
    if is_clone {
        // It may have grown between the two.
        to.set_len(size)?;
    }
    if let Some(secrets) = &mut rules.secrets {
        let _shown = secrets.finish();
        let names: Vec<String> = secrets.found().iter().map(|name| format!("`{name}`")).collect();
        if !names.is_empty() {
            return Err(Stop::Secrets(names.join(", ")));
        }
    }
    Ok(Copied { size, sha256: hex(hash.finish().as_ref()) })
}

fn is_digest(name: &str) -> bool {
    is_hex(name.as_bytes(), 64)
}

/// Whether quire has made a file of this name.
fn is_own(name: &str) -> bool {
    is_digest(name) || (name.len() == 22 && name.starts_with('.') && name.ends_with(UNFINISHED))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::SecretName;
    use crate::secret::Redactor;

    const MIB: u64 = 1 << 20;

    struct Run(tempfile::TempDir);

    impl Run {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn store(&self) -> ArtifactStore {
            ArtifactStore::of(self.0.path())
        }

        fn copy(&self, content: &[u8], redactor: &Redactor) -> Result<Copied, ArtifactError> {
            fs::write(self.0.path().join("source"), content).unwrap();
            let source = File::open(self.0.path().join("source")).unwrap();
            let mut rules =
                Rules { most: (MIB, "of a file"), secrets: Some(redactor.stream()), is_stopped: &|| false };
            self.store().copy(&self.store().make().unwrap(), (source, "source"), &mut rules)
        }

        fn files(&self) -> usize {
            fs::read_dir(self.0.path().join(ARTIFACTS)).map_or(0, Iterator::count)
        }
    }

    #[test]
    fn a_copy_has_the_name_of_its_digest() {
        let run = Run::new();
        let copied = run.copy(b"abc", &Redactor::none()).unwrap();
        assert_eq!(copied.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(run.copy(b"abc", &Redactor::none()).unwrap(), copied);
        assert_eq!((run.files(), copied.size), (1, 3));
        let mut read = String::new();
        run.store().open(&copied.sha256).unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "abc");
        for name in ["source", "../source", "", &"g".repeat(64)] {
            assert!(run.store().open(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_refused_copy_leaves_nothing() {
        let run = Run::new();
        let token = b"ghp_16C7e42F292c6912E7710c838347Ae178B4a";
        let redactor = Redactor::new(vec![(SecretName::parse("token").unwrap(), token.to_vec().into())]);
        let long = [vec![b'x'; PART - 7], token.to_vec(), vec![b'y'; 9]].concat();
        let refused = run.copy(&long, &redactor).unwrap_err().to_string();
        assert!(refused.contains("(`token`)") && !refused.contains("ghp_"), "{refused}");
        assert!(
            run.copy(&vec![0; 1 + MIB as usize], &redactor).unwrap_err().to_string().contains("more than")
        );
        let source = File::open(run.0.path().join("source")).unwrap();
        source.metadata().unwrap();
        let stopped = Rules { most: (2 * MIB, ""), secrets: None, is_stopped: &|| true };
        let made = run.store().make().unwrap();
        let ended = run.store().copy(&made, (source, "source"), &mut { stopped });
        assert_eq!((ended, run.files()), (Err(ArtifactError::Stopped), 0));
        assert!(run.copy(&vec![0; MIB as usize], &redactor).is_ok());
    }

    #[test]
    fn a_sparse_file_that_is_too_large_is_not_read() {
        let run = Run::new();
        let sparse = File::create(run.0.path().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let rules = Rules { most: (MIB, "of a file"), secrets: None, is_stopped: &|| false };
        let source = File::open(run.0.path().join("sparse")).unwrap();
        let made = run.store().make().unwrap();
        let refused = run.store().copy(&made, (source, "sparse"), &mut { rules }).unwrap_err().to_string();
        assert!(refused.contains("has 1099511627776 bytes"), "{refused}");
    }

    #[test]
    fn a_sweep_removes_what_is_not_kept_and_nothing_else() {
        let run = Run::new();
        assert_eq!(run.store().sweep(&HashSet::new()).unwrap(), 0);
        let kept = run.copy(b"kept", &Redactor::none()).unwrap().sha256;
        run.copy(b"gone", &Redactor::none()).unwrap();
        let folder = run.0.path().join(ARTIFACTS);
        fs::write(folder.join(".0123456789abcdef.part"), "half").unwrap();
        for foreign in ["README", "x.part", ".part"] {
            fs::write(folder.join(foreign), "foreign").unwrap();
        }
        assert_eq!(run.store().sweep(&HashSet::from([kept.as_str()])).unwrap(), 2);
        assert_eq!(run.files(), 4);
        for foreign in ["README", "x.part", ".part"] {
            fs::remove_file(folder.join(foreign)).unwrap();
        }
        assert_eq!(run.store().sweep(&HashSet::new()).unwrap(), 1);
        assert!(!folder.exists());
    }
}
