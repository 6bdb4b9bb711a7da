//! The secrets that a run may have: named by the server, read by the runner when the run starts.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::{SecretDecl, SecretSource};
use crate::model::SecretName;

/// The largest secret, in bytes.
const MAX_SECRET: u64 = 1 << 20;

/// A declared secret, on its way from the server to a runner over a private socket.
#[derive(Clone, Serialize, Deserialize)]
pub struct SecretGrant {
    /// Its name.
    pub name: String,
    /// Where its value comes from; nothing when the run may not have it.
    pub source: Option<GrantSource>,
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
pub struct GrantValue(pub SecretString);

/// Why a secret has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The run may not have it.
    #[error("the secret `{0}` is not granted to this repository and ref")]
    NotGranted(SecretName),
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
    /// A declared secret, with its source when the run may have it.
    pub fn new(secret: &SecretDecl, is_granted: bool) -> SecretGrant {
        let source = is_granted.then(|| match &secret.source {
            SecretSource::Literal(value) => GrantSource::Literal(GrantValue(value.clone())),
            SecretSource::File(path) => GrantSource::File(path.clone()),
        });
        SecretGrant { name: secret.name.to_string(), source }
    }
}

impl Serialize for GrantValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for GrantValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GrantValue, D::Error> {
        String::deserialize(deserializer).map(|value| GrantValue(SecretString::from(value)))
    }
}

/// The declared secrets of a run, with their values as far as the run may have them and they could be read.
pub struct SecretValues(Vec<(SecretName, Result<SecretSlice<u8>, SecretError>)>);

impl SecretValues {
    /// Reads all granted values. One that cannot be read is an error only for a job that asks for it.
    pub fn load(grants: &[SecretGrant]) -> SecretValues {
        let values = grants.iter().filter_map(|grant| {
            let name = SecretName::parse(&grant.name).ok()?;
            let value = match &grant.source {
                None => Err(SecretError::NotGranted(name.clone())),
                Some(GrantSource::Literal(value)) => Ok(value.0.expose_secret().as_bytes().to_vec().into()),
                Some(GrantSource::File(path)) => {
                    read_secret(path).map(SecretSlice::from).map_err(|problem| SecretError::File {
                        name: name.clone(),
                        path: path.clone(),
                        problem: problem.to_string(),
                    })
                }
            };
            Some((name, value))
        });
        SecretValues(values.collect())
    }

    /// The names of all declared secrets.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The value of a secret; `None` when no secret has this name.
    pub fn get(&self, name: &str) -> Option<Result<Vec<u8>, SecretError>> {
        let (_, value) = self.0.iter().find(|(known, _)| known.as_str() == name)?;
        Some(value.as_ref().map(|value| value.expose_secret().to_vec()).map_err(Clone::clone))
    }

    /// All values that are known, for the redactor.
    pub fn known(&self) -> Vec<(SecretName, SecretSlice<u8>)> {
        self.0.iter().filter_map(|(name, value)| Some((name.clone(), value.as_ref().ok()?.clone()))).collect()
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

    fn file(path: &Path) -> SecretGrant {
        SecretGrant { name: "token".to_owned(), source: Some(GrantSource::File(path.to_owned())) }
    }

    #[test]
    fn one_line_feed_at_the_end_is_not_part_of_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (text, value) in [("a b\n", "a b"), ("a\n\n", "a\n"), ("a\r\n", "a"), ("a", "a"), ("", "")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(SecretValues::load(&[file(&path)]).get("token"), Some(Ok(value.into())), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_for_who_asks() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        std::fs::write(&large, vec![b'x'; (MAX_SECRET + 1) as usize]).unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        for path in [&large, &fifo, folder.path(), &folder.path().join("no-such-file")] {
            let values = SecretValues::load(&[file(path)]);
            assert!(matches!(values.get("token"), Some(Err(SecretError::File { .. }))), "{}", path.display());
            assert!(values.known().is_empty());
        }
    }

    #[test]
    fn grants_cross_a_socket_and_show_nothing() {
        let literal = Some(GrantSource::Literal(GrantValue(SecretString::from("hunter22".to_owned()))));
        let grants = [
            SecretGrant { name: "a".to_owned(), source: literal },
            SecretGrant { name: "b".to_owned(), source: None },
        ];
        let text = serde_json::to_string(&grants).unwrap();
        let values = SecretValues::load(&serde_json::from_str::<Vec<SecretGrant>>(&text).unwrap());
        assert_eq!(values.get("a"), Some(Ok(b"hunter22".to_vec())));
        assert!(matches!(values.get("b"), Some(Err(SecretError::NotGranted(_)))));
        assert_eq!(values.get("c"), None);
        assert_eq!(values.names().count(), 2);
    }
}
