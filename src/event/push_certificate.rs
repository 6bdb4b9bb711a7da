//! What git found of the certificate of a push that was signed (`git push --signed`). It is kept with the push as an option that
//! only a hook can add.

use serde::{Deserialize, Serialize};

/// How the options begin that hooks add, and no pusher can give.
pub(crate) const HOOK_OPTION: &str = "quire.";

/// How the option begins that is a certificate.
const OPTION: &str = "quire.signed=";

/// The longest text that is kept of one, in characters.
const MAX_TEXT: usize = 200;

/// What git says about a certificate (git-receive-pack(1): `GIT_PUSH_CERT_…`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushCertificate {
    /// Who signed, as far as git knows the key.
    pub(crate) signer: Option<String>,
    /// The key.
    pub(crate) key: Option<String>,
    /// The letter for the signature: `G` is a good one of a known key (git-log(1), `%G?`).
    status: String,
    /// Whether the nonce is the one that the repository has just given.
    nonce: String,
}

impl PushCertificate {
    /// What the variables of a hook say, by their names without `GIT_PUSH_CERT_`; nothing when the push was not signed.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let text = |name: &str| {
            let text: String = variable(name)?.chars().take(MAX_TEXT).collect();
            (!text.is_empty()).then_some(text)
        };
        let status = text("STATUS")?;
        let nonce = text("NONCE_STATUS").unwrap_or_default();
        Some(Self { signer: text("SIGNER"), key: text("KEY"), status, nonce })
    }

    /// The certificate among the options of a push.
    pub(crate) fn of_options(options: &[String]) -> Option<Self> {
        let option = options.iter().find_map(|option| option.strip_prefix(OPTION))?;
        serde_json::from_str(option).ok()
    }

    /// The same as an option.
    pub(crate) fn to_option(&self) -> Option<String> {
        Some(format!("{OPTION}{}", serde_json::to_string(self).ok()?))
    }

    /// Whether the signature is good, of a known key, and made for this push.
    pub(crate) fn is_verified(&self) -> bool {
        self.problem().is_none()
    }

    /// Why it is not verified.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match (self.status.as_str(), self.nonce.as_str()) {
            // Of a key that is in no file of signers git says that the signature is good, and not whose.
            ("G", _) if self.signer.is_none() => Some("the key is not known"),
            ("G", "OK" | "SLOP") => None,
            ("G", "MISSING" | "") => Some("the repository asked for no nonce"),
            ("G", _) => Some("the nonce is not the one that the repository gave"),
            ("B", _) => Some("the signature is bad"),
            ("U", _) => Some("the key is not known"),
            ("X" | "Y", _) => Some("the signature or its key has expired"),
            ("R", _) => Some("the key was revoked"),
            (_, _) => Some("the signature could not be checked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(signer: &str, status: &str, nonce: &str) -> Option<PushCertificate> {
        PushCertificate::read(|name| {
            let value = match name {
                "SIGNER" => signer,
                "KEY" => "SHA256:abc",
                "STATUS" => status,
                "NONCE_STATUS" => nonce,
                _ => return None,
            };
            Some(value.to_owned())
        })
    }

    #[test]
    fn only_a_good_signature_of_a_known_key_for_this_push_is_verified() {
        assert_eq!(read("kim", "", "OK"), None);
        for (status, nonce, verified) in [
            ("G", "OK", true),
            ("G", "SLOP", true),
            ("G", "BAD", false),
            ("G", "MISSING", false),
            ("G", "UNSOLICITED", false),
            ("U", "OK", false),
            ("B", "OK", false),
            ("N", "OK", false),
            ("E", "OK", false),
            ("GG", "OK", false),
        ] {
            assert_eq!(read("kim", status, nonce).unwrap().is_verified(), verified, "{status} {nonce}");
        }
        assert_eq!(read("", "G", "OK").unwrap().problem(), Some("the key is not known"));
    }

    #[test]
    fn a_certificate_survives_as_an_option() {
        let certificate = read(&"k\"\u{1b}".repeat(500), "G", "OK").unwrap();
        assert_eq!(certificate.signer.as_ref().unwrap().chars().count(), MAX_TEXT);
        let options = ["ci.wait".to_owned(), certificate.to_option().unwrap()];
        assert_eq!(PushCertificate::of_options(&options), Some(certificate));
        for broken in ["quire.signed={}", "quire.signed=", "quire.signed"] {
            assert_eq!(PushCertificate::of_options(&[broken.to_owned()]), None);
        }
    }
}
