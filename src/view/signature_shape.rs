//! The certificate of a push as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::event::PushCertificate;

/// The certificate of a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Signature)]
pub(crate) struct SignatureShape {
    /// Whether the signature is good, of a known key, and made for this push.
    pub(crate) verified: bool,
    /// Who signed, as far as git knows the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signer: Option<String>,
    /// The key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Why it is not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

impl SignatureShape {
    pub(super) fn of(certificate: PushCertificate) -> Self {
        let problem = certificate.problem().map(str::to_owned);
        Self { verified: problem.is_none(), signer: certificate.signer, key: certificate.key, problem }
    }

    /// Its words for people.
    pub(crate) fn text(&self) -> String {
        let by = self.signer.iter().map(|signer| format!("by {signer}"));
        let key = self.key.iter().map(|key| format!("key {key}"));
        let state =
            self.problem.as_ref().map_or_else(|| "verified".to_owned(), |why| format!("not verified: {why}"));
        by.chain(key).chain([state]).collect::<Vec<_>>().join(", ")
    }
}
