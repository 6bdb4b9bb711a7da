//! What was found in job folders the last time, in a file that is read at once: records are borrowed from it, and the
//! configuration of a job is not read before it is asked for.
//!
//! The file is [`MAGIC`], [`VERSION`], the version of quire, the root, a checksum of the rest, and a record for each folder.
//! It is believed when it is of this account and nobody else may write to it; what is damaged is not.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use flate2::Crc;
use rustix::fs::Stat;

use super::discover::is_config_path;
use super::index_bytes::{Reader, Writer};
use super::lazy_config::LazyConfig;
use super::read_config::{ConfigFile, JobBlock};
use crate::sys::folder::open_regular;
use crate::sys::user::own_uid;

/// What the file begins with.
const MAGIC: &[u8] = b"quire-jobs\n";

/// The version of the file. To be raised when what a `config.yaml` means, or how it is kept here, changes.
const VERSION: u32 = 2;

/// The longest file, in bytes.
pub(super) const MAX_INDEX: u64 = 64 << 20;

/// The bits of a mode that let others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The file.
#[derive(Debug)]
pub(super) struct Index {
    bytes: Vec<u8>,
    /// Where the records begin.
    pub(super) start: usize,
}

/// What is in one folder.
#[derive(Debug, Default)]
pub(super) struct FolderRecord<'a> {
    /// The state of the folder; none when it cannot be relied on.
    pub(super) stamp: Option<Stamp>,
    /// Whether it has a `config.d`, and the state of that.
    pub(super) has_config_folder: bool,
    pub(super) config_stamp: Option<Stamp>,
    /// The names of the folders in it that are searched.
    pub(super) folders: Vec<Cow<'a, str>>,
    pub(super) config: Option<ConfigRecord<'a>>,
}

/// A `config.yaml`.
#[derive(Debug)]
pub(super) struct ConfigRecord<'a> {
    /// Its path in the folder.
    pub(super) name: Cow<'a, str>,
    pub(super) stamp: Option<Stamp>,
    pub(super) file: ConfigFile,
}

/// The state of a file or folder: times of content and inode in nanoseconds, inode, size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) [u64; 4]);

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Self {
        let nanos =
            |secs: i64, nanos| u64::try_from(secs).unwrap_or_default().saturating_mul(1_000_000_000) + nanos;
        Self([
            nanos(stat.st_mtime, stat.st_mtime_nsec),
            nanos(stat.st_ctime, stat.st_ctime_nsec),
            stat.st_ino,
            u64::try_from(stat.st_size).unwrap_or_default(),
        ])
    }

    /// Whether everything changed before a time, in nanoseconds.
    pub(super) fn is_before(self, time: u64) -> bool {
        let Self([content, inode, ..]) = self;
        content.max(inode) < time
    }
}

impl Index {
    /// Reads a file; nothing when it is missing, damaged, of another version, root or account.
    pub(super) fn read(path: &Path, root: &Path) -> Option<Arc<Self>> {
        let file = open_regular(path).ok()?;
        let found = file.metadata().ok().filter(|found| found.len() <= MAX_INDEX)?;
        if found.uid() != own_uid() || found.mode() & WRITABLE_BY_OTHERS != 0 {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).ok()?);
        file.take(found.len()).read_to_end(&mut bytes).ok()?;
        let head = head(root);
        let mut reader = Reader::new(&bytes, 0);
        let is_own = reader.take(head.len())? == head && reader.number()? == checksum(reader.rest());
        let start = reader.place();
        is_own.then(|| Arc::new(Self { bytes, start }))
    }

    /// What was found, by the paths of the folders; nothing when a record is not as it is written.
    pub(super) fn records(self: &Arc<Self>) -> Option<HashMap<&str, FolderRecord<'_>>> {
        let mut reader = Reader::new(&self.bytes, self.start);
        let mut records = HashMap::new();
        while !reader.rest().is_empty() {
            records.insert(reader.text()?, self.record(&mut reader)?);
        }
        Some(records)
    }

    fn record<'a>(self: &'a Arc<Self>, reader: &mut Reader<'a>) -> Option<FolderRecord<'a>> {
        Some(FolderRecord {
            stamp: reader.stamp()?,
            has_config_folder: reader.flag()?,
            config_stamp: reader.stamp()?,
            folders: reader
                .several(|reader| reader.text().filter(|name| is_name(name)).map(Cow::Borrowed))?,
            config: reader.maybe(|reader| self.config(reader))?,
        })
    }

    fn config<'a>(self: &'a Arc<Self>, reader: &mut Reader<'a>) -> Option<ConfigRecord<'a>> {
        let name = reader.text().filter(|name| is_config_path(name))?;
        let stamp = reader.stamp()?;
        let (is_readable, is_job, is_like_job) = (reader.flag()?, reader.flag()?, reader.flag()?);
        let problems = reader.maybe(|reader| serde_json::from_slice(reader.bytes()?).ok())?;
        let blocks = reader.several(|reader| {
            let mut text = || reader.maybe(|reader| reader.text().map(str::to_owned));
            Some(JobBlock { id: text()?, name: text()?, summary: text()? })
        })?;
        let json = reader.bytes()?.len();
        let config = LazyConfig::kept(Arc::clone(self), reader.place() - json..reader.place());
        let file = ConfigFile {
            blocks,
            config,
            problems: problems.unwrap_or_default(),
            is_readable,
            is_job,
            is_like_job,
        };
        Some(ConfigRecord { name: Cow::Borrowed(name), stamp, file })
    }

    /// A part of the file.
    pub(super) fn part(&self, place: &Range<usize>) -> &[u8] {
        self.bytes.get(place.clone()).unwrap_or_default()
    }

    /// Writes a file. What cannot be written is found again the next time.
    pub(super) fn write(path: &Path, root: &Path, records: &[(String, FolderRecord<'_>)]) {
        let mut writer = Writer::default();
        for (path, record) in records {
            writer.text(path);
            record.write(&mut writer);
        }
        let (head, sum) = (head(root), checksum(&writer.0).to_le_bytes());
        let write = || -> io::Result<()> {
            let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
            std::fs::create_dir_all(folder)?;
            let found = folder.symlink_metadata()?;
            if found.uid() != own_uid() || (head.len() + writer.0.len()) as u64 > MAX_INDEX {
                return Ok(());
            }
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            [&head[..], &sum, &writer.0].iter().try_for_each(|part| new.write_all(part))?;
            new.persist(path)?;
            Ok(())
        };
        // Without it the next search is slower.
        drop(write());
    }
}

impl FolderRecord<'_> {
    fn write(&self, writer: &mut Writer) {
        writer.stamp(self.stamp);
        writer.flag(self.has_config_folder);
        writer.stamp(self.config_stamp);
        writer.several(&self.folders, |writer, name| writer.text(name));
        writer.maybe(self.config.as_ref(), |writer, config| config.write(writer));
    }
}

impl ConfigRecord<'_> {
    fn write(&self, writer: &mut Writer) {
        let ConfigFile { blocks, config, problems, is_readable, is_job, is_like_job } = &self.file;
        writer.text(&self.name);
        writer.stamp(self.stamp);
        writer.flag(*is_readable);
        writer.flag(*is_job);
        writer.flag(*is_like_job);
        let problems = Some(problems).filter(|problems| !problems.is_empty());
        // What cannot be JSON is read as damaged.
        writer.maybe(problems, |writer, problems| {
            writer.bytes(&serde_json::to_vec(problems).unwrap_or_default());
        });
        writer.several(blocks, |writer, block| {
            for text in [&block.id, &block.name, &block.summary] {
                writer.maybe(text.as_ref(), |writer, text| writer.text(text));
            }
        });
        writer.bytes(&config.to_json());
    }
}

/// What a file of this version for a root begins with.
fn head(root: &Path) -> Vec<u8> {
    let mut writer = Writer(MAGIC.to_vec());
    writer.0.extend(VERSION.to_le_bytes());
    writer.text(env!("CARGO_PKG_VERSION"));
    writer.bytes(root.as_os_str().as_bytes());
    writer.0
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum.sum()
}

/// Whether a text is the name of one folder that is searched.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}
