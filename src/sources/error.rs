//! Why a source was not added.

use std::fmt::Display;

use crate::model::chain;

/// Why a source was not added. Title, status and code are those of flowd's problems.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{title}: {detail}")]
pub(crate) struct SourceError {
    /// The status of an HTTP answer.
    pub(crate) status: u16,
    /// The kind of the problem.
    pub(crate) title: &'static str,
    /// The stable word, for those kinds that have one.
    pub(crate) code: Option<&'static str>,
    /// What is wrong.
    pub(crate) detail: String,
    /// What helps.
    pub(crate) hint: Option<String>,
}

/// The folder, repository or machine is not on the operator's lists.
pub(super) const NOT_ALLOWED: &str = "source.not.allowed";
/// An image is only taken when the request says that it is trusted.
pub(super) const TRUST_REQUIRED: &str = "source.trust.required";
/// The manifest of an add-on is missing or invalid.
pub(super) const E_MANIFEST: &str = "E_ADDON_MANIFEST";
/// The container engine could not do something with the image.
pub(super) const E_OCI: &str = "E_OCI";
/// The policy itself cannot be used.
pub(super) const E_POLICY: &str = "E_POLICY";
/// The request requires a signature, and none was verified.
pub(super) const SIGNATURE_INVALID: &str = "source-signature-invalid";

impl SourceError {
    /// A request that cannot be understood, or whose source cannot be had.
    pub(crate) fn new(title: &'static str, detail: impl Display) -> Self {
        Self { status: 400, title, code: None, detail: detail.to_string(), hint: None }
    }

    /// Something of quire's own that failed.
    pub(crate) fn failed(error: &dyn std::error::Error) -> Self {
        Self { status: 500, ..Self::new("source could not be stored", chain(error)) }
    }

    /// The same problem with a code.
    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The same problem with another status.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same problem with a hint.
    pub(crate) fn hint(self, hint: impl Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }

    /// What is not on the operator's lists.
    pub(super) fn not_allowed(detail: impl Display) -> Self {
        Self::new("source not allowed", detail).code(NOT_ALLOWED)
    }
}
