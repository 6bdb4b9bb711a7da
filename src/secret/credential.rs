//! Secrets that quire gives out: tokens, sessions, login links. Each is shown once; what is kept is its SHA-256.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use crate::sys::random;

/// How many random bytes a credential has: nobody can guess them, so a fast hash is enough.
const RANDOM_BYTES: usize = 32;

/// What a credential is for. Its text begins with the kind, so that one is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A token of a program or a person.
    Token,
    /// The session of a browser.
    Session,
    /// A link that signs in once.
    LoginLink,
}

/// A credential in clear.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

/// The SHA-256 of a credential. Two are compared in constant time.
#[derive(Debug, Clone, Copy)]
pub struct CredentialHash([u8; 32]);

impl CredentialKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Token => "qt_",
            Self::Session => "qs_",
            Self::LoginLink => "ql_",
        }
    }
}

impl Credential {
    /// A new credential.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn new(kind: CredentialKind) -> io::Result<Self> {
        let random = random::unguessable::<RANDOM_BYTES>()?;
        Ok(Self(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(random))))
    }

    /// The hash of a text, if it is a credential of this kind; a text that cannot be one is not looked up.
    pub(crate) fn hash_of(kind: CredentialKind, text: &str) -> Option<CredentialHash> {
        let random = URL_SAFE_NO_PAD.decode(text.strip_prefix(kind.prefix())?).ok()?;
        (random.len() == RANDOM_BYTES).then(|| CredentialHash::of(text))
    }

    /// What is stored of it.
    pub(crate) fn hash(&self) -> CredentialHash {
        CredentialHash::of(&self.0)
    }

    /// The text, for whom it is given to.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

impl CredentialHash {
    fn of(text: &str) -> Self {
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()) {
            *to = *from;
        }
        Self(hash)
    }

    /// A hash that was stored; `None` for another number of bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for CredentialHash {
    fn eq(&self, other: &Self) -> bool {
        let differences = self.0.iter().zip(&other.0).fold(0, |all, (one, other)| all | (one ^ other));
        std::hint::black_box(differences) == 0
    }
}

impl Eq for CredentialHash {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_recognised_by_its_kind_and_its_length() {
        let token = Credential::new(CredentialKind::Token).unwrap();
        let text = token.reveal();
        assert!(text.starts_with("qt_") && text.len() == 3 + 43, "{text}");
        assert_eq!(Credential::hash_of(CredentialKind::Token, text), Some(token.hash()));
        assert_eq!(CredentialHash::from_bytes(token.hash().as_bytes()), Some(token.hash()));
        assert_ne!(Credential::new(CredentialKind::Token).unwrap().hash(), token.hash());
        assert_eq!(format!("{token:?}"), "Credential(…)");
        for wrong in [
            "",
            "qt_",
            &text[..text.len() - 1],
            &format!("{text}A"),
            &format!(" {text}"),
            &text.replace("qt_", "QT_"),
            &text.replace("qt_", "qs_"),
            &format!("qt_{}", "é".repeat(20)),
        ] {
            assert_eq!(Credential::hash_of(CredentialKind::Token, wrong), None, "{wrong}");
        }
        assert_eq!(Credential::hash_of(CredentialKind::Session, text), None);
    }
}
