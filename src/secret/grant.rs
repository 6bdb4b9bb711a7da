//! The secrets that a run may have: named by the server, read by the runner when the run starts.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::{MissingGrant, SecretDecl, SecretSource};
use crate::model::SecretName;

/// The largest secret, in bytes.
const MAX_SECRET: u64 = 1 << 20;

/// A declared secret with the place of its value.
#[derive(Clone)]
pub struct SecretGrant {
    pub(crate) name: String,
    /// Where its value comes from; nothing when the run may not have it.
    pub(crate) source: Option<GrantSource>,
    /// The grants that the run lacks.
    pub(crate) missing: Vec<MissingGrant>,
    /// The jobs that may have it; all when empty.
    pub(crate) jobs: Vec<String>,
}

/// Where a granted secret's value comes from.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantSource {
    /// It is this.
    Literal(GrantValue),
    /// It is what this file holds.
    File(PathBuf),
}

/// A value on its way. Its `Debug` shows nothing.
#[derive(Debug, Clone)]
pub struct GrantValue(pub(crate) SecretString);

/// Why a secret has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The job may not have it.
    #[error("the secret `{name}` is not granted here: {}", lacks(name, missing))]
    NotGranted {
        /// The secret.
        name: SecretName,
        /// What is in the way.
        missing: Vec<MissingGrant>,
    },
    /// The machine that executes the run has no value of it.
    #[error("the secret `{name}` has no value on the machine that executes the run")]
    Absent {
        /// The secret.
        name: SecretName,
    },
    /// Its file cannot be read.
    #[error("the secret `{name}` cannot be read from {path}: {problem}")]
    File {
        /// The secret.
        name: SecretName,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl SecretGrant {
    /// A declared secret for what the operator uses it for: no scope binds that.
    pub(crate) fn to_operator(secret: &SecretDecl) -> Self {
        let (name, source) = (secret.name.to_string(), Some(source(secret)));
        Self { name, source, missing: Vec::new(), jobs: Vec::new() }
    }
}

pub(super) fn source(secret: &SecretDecl) -> GrantSource {
    match &secret.source {
        SecretSource::Literal(value) => GrantSource::Literal(GrantValue(value.clone())),
        SecretSource::File(path) => GrantSource::File(path.clone()),
    }
}

/// What is in the way of a secret, and what the operator would write to grant it. The names that have it already are
/// not shown: they may be of other repositories.
fn lacks(name: &SecretName, missing: &[MissingGrant]) -> String {
    let each = |text: &dyn Fn(&MissingGrant) -> String| missing.iter().map(text).collect::<Vec<_>>();
    let reasons = each(&|(key, value)| format!("`{value}` is not in its :{key}")).join(", ");
    let keys = each(&|(key, value)| format!(":{key} [… {value:?}]")).join(" ");
    format!("{reasons}; the line of config.fnl that would grant it is :{name} {{:file … {keys}}}")
}

impl Serialize for GrantValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for GrantValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|value| Self(SecretString::from(value)))
    }
}

/// The declared secrets of a run, with their values as far as the run may have them and they could be read; and its arguments that
/// are secrets.
pub struct SecretValues {
    declared: Vec<Held>,
    arguments: Vec<(SecretName, SecretSlice<u8>)>,
}

/// One declared secret.
struct Held {
    name: SecretName,
    value: Result<SecretSlice<u8>, SecretError>,
    jobs: Vec<String>,
}

impl SecretValues {
    /// Reads all granted values. One that cannot be read is an error only for a job that asks for it.
    pub(crate) fn load(grants: &[SecretGrant]) -> Self {
        let values = grants.iter().filter_map(|grant| {
            let name = SecretName::parse(&grant.name).ok()?;
            let value = match &grant.source {
                None if grant.missing.is_empty() => Err(SecretError::Absent { name: name.clone() }),
                None => Err(SecretError::NotGranted { name: name.clone(), missing: grant.missing.clone() }),
                Some(GrantSource::Literal(value)) => Ok(value.0.expose_secret().as_bytes().to_vec().into()),
                Some(GrantSource::File(path)) => {
                    read_secret(path).map(SecretSlice::from).map_err(|problem| SecretError::File {
                        name: name.clone(),
                        path: path.clone(),
                        problem: problem.to_string(),
                    })
                }
            };
            Some(Held { name, value, jobs: grant.jobs.clone() })
        });
        Self { declared: values.collect(), arguments: Vec::new() }
    }

    /// The same, and these arguments of a run.
    #[must_use]
    pub(super) fn with_arguments(self, values: &BTreeMap<String, GrantValue>) -> Self {
        let read = |(name, value): (&String, &GrantValue)| {
            Some((SecretName::parse(name).ok()?, value.0.expose_secret().as_bytes().to_vec().into()))
        };
        Self { arguments: values.iter().filter_map(read).collect(), ..self }
    }

    /// The value of an argument; `None` when it was not given.
    pub(crate) fn argument(&self, name: &str) -> Option<Vec<u8>> {
        let (_, value) = self.arguments.iter().find(|(known, _)| known.as_str() == name)?;
        Some(value.expose_secret().to_vec())
    }

    /// The names of all declared secrets.
    pub(crate) fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.declared.iter().map(|held| &held.name)
    }

    /// The value of a secret for a job; `None` when no secret has this name.
    pub(crate) fn get(&self, name: &str, job: &str) -> Option<Result<Vec<u8>, SecretError>> {
        let Held { name, value, jobs } = self.declared.iter().find(|held| held.name.as_str() == name)?;
        let lacks_job = !jobs.is_empty() && !jobs.iter().any(|granted| granted == job);
        let of_job = lacks_job.then(|| ("jobs".to_owned(), job.to_owned()));
        Some(match (value, of_job) {
            (Ok(value), None) => Ok(value.expose_secret().to_vec()),
            (Err(SecretError::NotGranted { missing, .. }), of_job) => {
                let missing = missing.iter().cloned().chain(of_job).collect();
                Err(SecretError::NotGranted { name: name.clone(), missing })
            }
            (_, Some(of_job)) => Err(SecretError::NotGranted { name: name.clone(), missing: vec![of_job] }),
            (Err(problem @ (SecretError::File { .. } | SecretError::Absent { .. })), None) => {
                Err(problem.clone())
            }
        })
    }

    /// All values that are known, for the redactor.
    pub(crate) fn known(&self) -> Vec<(SecretName, SecretSlice<u8>)> {
        let declared = self.declared.iter();
        let declared =
            declared.filter_map(|held| Some((held.name.clone(), held.value.as_ref().ok()?.clone())));
        declared.chain(self.arguments.iter().cloned()).collect()
    }
}

/// The value of a secret that the server itself uses, such as the address of a webhook. Blocking.
///
/// # Errors
/// When its file cannot be read.
pub fn read_value(source: &SecretSource) -> io::Result<SecretSlice<u8>> {
    match source {
        SecretSource::Literal(value) => Ok(value.expose_secret().as_bytes().to_vec().into()),
        SecretSource::File(path) => read_secret(path).map(SecretSlice::from),
    }
}

/// Lends a value to who has to send it.
pub fn lend<T>(value: &SecretSlice<u8>, to: impl FnOnce(&[u8]) -> T) -> T {
    to(value.expose_secret())
}

/// Reads a secret's file: a regular file of at most 1 MiB; one line feed at its end is not part of the value.
fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    // Without waiting for a writer, should it be a FIFO.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut value = Vec::new();
    file.take(MAX_SECRET + 1).read_to_end(&mut value)?;
    if value.len() as u64 > MAX_SECRET {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    if value.ends_with(b"\n") {
        value.pop();
        if value.ends_with(b"\r") {
            value.pop();
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(name: &str, source: Option<GrantSource>) -> SecretGrant {
        SecretGrant { name: name.to_owned(), source, missing: Vec::new(), jobs: Vec::new() }
    }

    fn file(path: &Path) -> SecretGrant {
        grant("token", Some(GrantSource::File(path.to_owned())))
    }

    #[test]
    fn one_line_feed_at_the_end_is_not_part_of_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (text, value) in [("a b\n", "a b"), ("a\n\n", "a\n"), ("a\r\n", "a"), ("a", "a"), ("", "")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(
                SecretValues::load(&[file(&path)]).get("token", "job"),
                Some(Ok(value.into())),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_for_the_reader() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        std::fs::write(&large, vec![b'x'; (MAX_SECRET + 1) as usize]).unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        for path in [&large, &fifo, folder.path(), &folder.path().join("no-such-file")] {
            let values = SecretValues::load(&[file(path)]);
            assert!(
                matches!(values.get("token", "job"), Some(Err(SecretError::File { .. }))),
                "{}",
                path.display()
            );
            assert!(values.known().is_empty());
        }
    }

    #[test]
    fn a_job_gets_what_it_is_granted_and_the_redactor_knows_the_rest() {
        let literal = Some(GrantSource::Literal(GrantValue(SecretString::from("hunter22".to_owned()))));
        let of_ship =
            |source, missing| SecretGrant { jobs: vec!["ship".to_owned()], missing, ..grant("key", source) };
        let values = SecretValues::load(&[of_ship(literal, Vec::new())]);
        assert_eq!(values.get("key", "ship"), Some(Ok(b"hunter22".to_vec())));
        assert_eq!(
            values.get("key", "Ship").unwrap().unwrap_err().to_string(),
            "the secret `key` is not granted here: `Ship` is not in its :jobs; the line of config.fnl that would \
             grant it is :key {:file … :jobs [… \"Ship\"]}"
        );
        assert_eq!(values.known().len(), 1);
        let other =
            SecretValues::load(&[of_ship(None, vec![("refs".to_owned(), "refs/heads/x".to_owned())])]);
        assert_eq!(
            other.get("key", "leak").unwrap().unwrap_err().to_string(),
            "the secret `key` is not granted here: `refs/heads/x` is not in its :refs, `leak` is not in its :jobs; the \
             line of config.fnl that would grant it is :key {:file … :refs [… \"refs/heads/x\"] :jobs [… \"leak\"]}"
        );
        assert!(other.known().is_empty());
    }
}
