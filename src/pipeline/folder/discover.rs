//! Finding job folders.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, statat};

use super::alias::{Aliases, MAX_ALIAS_FILE};
use super::discovery::{Discovery, FolderError};
use super::index::{ConfigRecord, FolderRecord, Index, Stamp};
use super::read_config::{ConfigFile, MAX_CONFIG};
use crate::sys::clock;
use crate::sys::folder::{Entry, Folder, Kind};

/// Folders inside each other, at most.
const MAX_DEPTH: usize = 16;

/// Folders that are looked into, at most.
const MAX_FOLDERS: usize = 50_000;

/// What is wrong with a file that is probably meant to be a job.
const LIKE_JOB: &str = "this looks like a job, but has none of `job`, `interpreter`, `argspec` and `steps`, and is not listed; \
    add one of them, such as `job: {name: …}`";

/// The folder that holds the configuration of the folder above it.
const CONFIG_FOLDER: &str = "config.d";

/// Times younger than this may stay the same over another change: that is how coarse the clocks of file systems are.
const SETTLED_NANOS: u64 = 20_000_000;

/// The file of aliases.
const ALIAS_FILE: &str = "flwd.yaml";

/// Why a folder cannot be searched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoverError {
    /// It is a file.
    #[error("root {} is not a directory", .0.display())]
    NotFolder(PathBuf),
    /// It cannot be opened.
    #[error("could not open {}", root.display())]
    Open {
        /// The folder.
        root: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Finds the job folders below a folder: those with `config.d/config.yaml`, and those with a `config.yaml` that describes a
/// job. No link below the root is followed, and no hidden folder is looked into. A missing root has none.
///
/// The index is a file that keeps what was found: a folder or file whose times, size and inode are those of the last time is
/// not read again. It is made when it is missing, ignored when it is damaged, and nothing fails without it.
///
/// # Errors
/// The root is a file, or cannot be opened.
pub(crate) fn discover_with_index(root: &Path, index: Option<&Path>) -> Result<Discovery, DiscoverError> {
    let mut discovery = Discovery::new(root);
    let folder = match Folder::open(root) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(discovery),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(DiscoverError::NotFolder(root.to_owned()));
        }
        Err(source) => return Err(DiscoverError::Open { root: root.to_owned(), source }),
    };
    let kept = index.and_then(|index| Index::read(index, root));
    let known = kept.as_ref().and_then(Index::records).unwrap_or_default();
    let mut search = Search::new(root, &folder, known);
    search.run();
    let Search { mut now, errors, has_news, .. } = search;
    if let Some(index) = index.filter(|_| has_news) {
        Index::write(index, root, &now);
    }
    discovery.errors = errors;
    let shared = Arc::<Path>::from(root);
    now.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for (path, record) in now {
        match record.config {
            Some(config) if config.file.is_job => discovery.add(&shared, path, &config.name, config.file),
            Some(config) if config.file.is_like_job => {
                let place = root.join(&path).join(&*config.name).display().to_string();
                discovery.errors.push(FolderError::new(place, LIKE_JOB));
            }
            Some(_) | None => {}
        }
    }
    discovery.index();
    discovery.aliases = read_aliases(&folder, &discovery);
    Ok(discovery)
}

fn read_aliases(folder: &Folder, discovery: &Discovery) -> Aliases {
    let path = discovery.root.join(ALIAS_FILE).display().to_string();
    match folder.read(ALIAS_FILE, MAX_ALIAS_FILE as u64) {
        Ok(text) => Aliases::parse(&path, &text, |name| discovery.find(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Aliases::default(),
        Err(error) => {
            Aliases { errors: vec![FolderError::new(path, error.to_string())], ..Aliases::default() }
        }
    }
}

/// A search in progress.
struct Search<'a> {
    root: &'a Path,
    folder: &'a Folder,
    /// What was found the last time.
    known: HashMap<&'a str, FolderRecord<'a>>,
    /// What is found now.
    now: Vec<(String, FolderRecord<'a>)>,
    /// What changed before this time, in nanoseconds, has another time when it changes again.
    settled: u64,
    errors: Vec<FolderError>,
    /// Whether something is not as it was.
    has_news: bool,
}

impl<'a> Search<'a> {
    fn new(root: &'a Path, folder: &'a Folder, known: HashMap<&'a str, FolderRecord<'a>>) -> Self {
        let began = u64::try_from(clock::now().as_millis()).unwrap_or_default().saturating_mul(1_000_000);
        let (now, settled) = (Vec::with_capacity(known.len()), began.saturating_sub(SETTLED_NANOS));
        Self { root, folder, known, now, settled, errors: Vec::new(), has_news: false }
    }

    fn run(&mut self) {
        let mut left = vec![(".".to_owned(), 0)];
        let mut seen = 0;
        while let Some((path, depth)) = left.pop() {
            seen += 1;
            if seen > MAX_FOLDERS {
                return self.error(
                    &path,
                    format!("there are more than {MAX_FOLDERS} folders; the others are not searched"),
                );
            }
            let record = match self.record(&path) {
                Ok(record) => record,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.error(&path, error.to_string());
                    continue;
                }
            };
            if depth == MAX_DEPTH && !record.folders.is_empty() {
                self.error(
                    &path,
                    format!("folders are nested more than {MAX_DEPTH} deep; the inner ones are not searched"),
                );
            } else {
                left.extend(record.folders.iter().map(|name| (below(&path, name), depth + 1)));
            }
            self.now.push((path, record));
        }
        // Folders that are gone are news, too.
        self.has_news |= !self.known.is_empty();
    }

    fn error(&mut self, path: &str, error: String) {
        self.errors.push(FolderError::new(self.root.join(path).display().to_string(), error));
    }

    /// What is in one folder: as it is known, or read again.
    fn record(&mut self, path: &str) -> io::Result<FolderRecord<'a>> {
        let known = self.known.remove(path);
        let stamp = self.stamp(path)?;
        let inner = below(path, CONFIG_FOLDER);
        if let Some(mut known) = known.filter(|known| stamp.is_some() && known.stamp == stamp) {
            let is_same_inside = if known.has_config_folder {
                known.config_stamp.is_some() && self.stamp(&inner)? == known.config_stamp
            } else {
                true
            };
            if is_same_inside {
                let config = known.config.take();
                known.config = config.map(|config| self.known_config(path, config));
                return Ok(known);
            }
        }
        self.has_news = true;
        let mut record = FolderRecord { stamp, ..FolderRecord::default() };
        let mut direct = None;
        for Entry { name, kind } in sorted(self.folder.sub(path)?.entries()?) {
            match (kind, name.to_str()) {
                (Kind::Folder, Some(CONFIG_FOLDER)) => record.has_config_folder = true,
                (Kind::Folder, Some(name)) if !name.starts_with('.') => {
                    record.folders.push(Cow::Owned(name.to_owned()));
                }
                (Kind::File, Some(name)) if is_config(name) => {
                    direct = direct.or_else(|| Some(name.to_owned()));
                }
                (Kind::Folder, None) => self.error(path, "the name of a folder is not UTF-8".to_owned()),
                _ => {}
            }
        }
        let mut config = None;
        if record.has_config_folder {
            record.config_stamp = self.stamp(&inner)?;
            let entries = sorted(self.folder.sub(&inner)?.entries()?);
            let names = entries
                .iter()
                .filter(|entry| entry.kind == Kind::File)
                .filter_map(|entry| entry.name.to_str());
            config =
                names.into_iter().find(|name| is_config(name)).map(|name| format!("{CONFIG_FOLDER}/{name}"));
        }
        let name = config.or(direct);
        record.config = name.map(|name| self.config(path, Cow::Owned(name)));
        Ok(record)
    }

    /// The `config.yaml` of a folder: as it is known, or read again.
    fn known_config(&mut self, path: &str, known: ConfigRecord<'a>) -> ConfigRecord<'a> {
        let stamp = self.stamp(&below(path, &known.name)).ok().flatten();
        if stamp.is_some() && known.stamp == stamp { known } else { self.config(path, known.name) }
    }

    fn config(&mut self, path: &str, name: Cow<'a, str>) -> ConfigRecord<'a> {
        self.has_news = true;
        let place = below(path, &name);
        let stamp = self.stamp(&place).ok().flatten();
        let mut file = ConfigFile::of(self.folder.read(&place, MAX_CONFIG as u64));
        // One in `config.d` is a job, whatever it says.
        file.is_job |= name.contains('/');
        ConfigRecord { name, stamp, file }
    }

    /// The stamp of a path, if it can be relied on. All folders on the way were compared before.
    fn stamp(&self, path: &str) -> io::Result<Option<Stamp>> {
        let stamp = Stamp::of(&statat(self.folder, path, AtFlags::SYMLINK_NOFOLLOW)?);
        Ok(Some(stamp).filter(|stamp| stamp.is_before(self.settled)))
    }
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

fn below(path: &str, name: &str) -> String {
    if path == "." { name.to_owned() } else { format!("{path}/{name}") }
}

/// Whether a path in the folder of a job can be that of its configuration.
pub(super) fn is_config_path(path: &str) -> bool {
    is_config(path.strip_prefix("config.d/").unwrap_or(path))
}

fn is_config(name: &str) -> bool {
    name.eq_ignore_ascii_case("config.yaml")
}
