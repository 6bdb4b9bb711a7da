//! A public key of OpenSSH, as `id_ed25519.pub` has it in one line.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};

use super::{Quoted, first_of};

/// The kinds of keys that are accepted (ssh-keygen(1), `-t`). DSA is too weak.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
];

/// The longest key, in bytes: RSA with 16384 bits has 2 KiB.
const MAX_BLOB: usize = 4096;

/// The longest comment that is kept, in characters.
const MAX_COMMENT: usize = 100;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    kind: &'static str,
    blob: Vec<u8>,
    comment: String,
}

/// Why a text is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PublicKeyError {
    /// It is the secret half.
    #[error("this is a private key, which nobody else may have: take the file that ends in `.pub`")]
    Private,
    /// There is no key in it, or there are several.
    #[error("expected one public key in one line, such as `ssh-ed25519 AAAA… kim@laptop`")]
    Form,
    /// Its kind is unknown or too weak.
    #[error("{0} is not a supported kind of key; use {kinds}", kinds = first_of(KINDS.iter(), 3))]
    Kind(Quoted),
    /// What follows the kind is not such a key.
    #[error("the key is damaged: is the line complete?")]
    Damaged,
}

impl PublicKey {
    /// Reads the only line of a `.pub` file; empty lines and comments beside it are skipped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, PublicKeyError> {
        if text.contains("PRIVATE KEY") {
            return Err(PublicKeyError::Private);
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (Some(line), None) = (lines.next(), lines.next()) else { return Err(PublicKeyError::Form) };
        let mut parts = line.splitn(3, [' ', '\t']);
        let (kind, blob) = (parts.next().unwrap_or_default(), parts.next().ok_or(PublicKeyError::Form)?);
        Self::of_parts(kind, blob, parts.next().unwrap_or_default())
    }

    /// The key of a kind and a text of base64, as sshd gives them (`%t %k`).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of_parts(kind: &str, blob: &str, comment: &str) -> Result<Self, PublicKeyError> {
        let known = KINDS.into_iter().find(|known| *known == kind);
        let kind = known.ok_or_else(|| PublicKeyError::Kind(Quoted::new(kind)))?;
        let blob = STANDARD.decode(blob).map_err(|_| PublicKeyError::Damaged)?;
        let fields = fields(&blob).filter(|fields| fields.len() > 1 && blob.len() <= MAX_BLOB);
        // The kind stands in the key as well (RFC 4253, 6.6).
        if fields.and_then(|fields| fields.first().copied()) != Some(kind.as_bytes()) {
            return Err(PublicKeyError::Damaged);
        }
        let comment = comment.trim().chars().filter(|c| !c.is_control()).take(MAX_COMMENT).collect();
        Ok(Self { kind, blob, comment })
    }

    /// What stands after the key: often who has it, and where.
    pub(crate) fn comment(&self) -> &str {
        &self.comment
    }

    /// Its kind and its text of base64, as `authorized_keys` has them.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.kind, STANDARD.encode(&self.blob))
    }

    /// Its fingerprint, as `ssh-keygen -l` prints it: `SHA256:…`.
    pub(crate) fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, &self.blob)))
    }
}

/// The fields of a key, each behind its length (RFC 4251, 5); nothing when they do not end where the key ends.
fn fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn a_key_has_the_fingerprint_of_ssh_keygen() {
        let key = PublicKey::parse(&format!("# mine\n{KEY} kim@laptop \n\n")).unwrap();
        assert_eq!(key.fingerprint(), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
        assert_eq!((key.comment(), key.line().as_str()), ("kim@laptop", KEY));
    }

    #[test]
    fn what_is_not_one_public_key_is_refused_with_its_reason() {
        let wrong = |text: &str| PublicKey::parse(text).unwrap_err();
        for text in ["", "ssh-ed25519", "\n\n", &format!("{KEY}\n{KEY}")] {
            assert_eq!(wrong(text), PublicKeyError::Form, "{text}");
        }
        assert_eq!(wrong("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn"), PublicKeyError::Private);
        for kind in ["ssh-dss", "command=\"id\"", "ssh-ed25519,x", "ecdsa"] {
            assert!(
                matches!(wrong(&KEY.replacen("ssh-ed25519", kind, 1)), PublicKeyError::Kind(_)),
                "{kind}"
            );
        }
        for text in
            [&KEY[..KEY.len() - 8], &KEY[..40], &KEY.replace("ssh-ed25519", "ssh-rsa"), "ssh-rsa AAAA"]
        {
            assert_eq!(wrong(text), PublicKeyError::Damaged, "{text}");
        }
    }
}
