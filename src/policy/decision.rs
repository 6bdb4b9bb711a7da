//! A decision about one point of a request, and the words for its reasons.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Reason;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be.
    Allow,
    /// It may be, and somebody should know.
    Warn,
    /// It may not be.
    Deny,
}

impl Verdict {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// What a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyPoint {
    /// The container as a whole.
    Container,
    /// Where the image comes from, and who signed it.
    Image,
    /// The network.
    Network,
    /// Processors.
    Cpu,
    /// Bytes of memory.
    Memory,
    /// The number of processes.
    Processes,
    /// A folder of the host.
    Mount,
    /// The user in the container.
    User,
    /// Writing to the files of the image.
    RootFs,
    /// Capabilities of Linux.
    Capabilities,
    /// Variables of quire.
    Environment,
    /// The profile that a run asks for.
    Profile,
}

impl PolicyPoint {
    /// The words for it in provenance and in the events of job folders.
    pub(crate) fn subject(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "container.image",
            Self::Network => "container.network",
            Self::Cpu | Self::Memory | Self::Processes => "container.resources",
            Self::Mount => "container.mount",
            Self::User => "container.user",
            Self::RootFs => "container.rootfs",
            Self::Capabilities => "container.capabilities",
            Self::Environment => "env.inheritance",
            Self::Profile => "profile",
        }
    }

    /// Whether to allow it grants what not every container has.
    pub(crate) fn is_override(self) -> bool {
        match self {
            Self::Network | Self::Mount | Self::RootFs | Self::Capabilities | Self::Environment => true,
            Self::Container
            | Self::Image
            | Self::Cpu
            | Self::Memory
            | Self::Processes
            | Self::User
            | Self::Profile => false,
        }
    }
}

/// A decision about one point of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The job or service that asks.
    pub(crate) subject: String,
    /// What it is about.
    pub(crate) point: PolicyPoint,
    /// What was decided.
    pub(crate) verdict: Verdict,
    /// The word for the reason: one of [`CODES`].
    pub(crate) code: &'static str,
    /// The reason, for people.
    pub(crate) reason: String,
    /// What would allow it.
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

/// Denials as one reason: the code of the first, each on a line, and each hint once.
pub fn denial(denied: &[Decision]) -> Reason {
    let code = denied.first().map_or(DENIED, |decision| decision.code);
    let lines: Vec<String> = denied.iter().map(ToString::to_string).collect();
    let mut hints: Vec<String> = Vec::new();
    for hint in denied.iter().filter_map(|decision| decision.hint.as_ref()) {
        if !hints.contains(hint) {
            hints.push(hint.clone());
        }
    }
    Reason { code: code.to_owned(), text: lines.join("\n"), hints }
}

/// What is asked for is allowed.
pub(super) const ALLOWED: &str = "policy.allowed";
/// The profile `disabled` lets through what no table opens.
pub(super) const OPENED: &str = "policy.opened";
/// What is asked for is not open.
pub const DENIED: &str = "policy.denied";
/// More is asked for than a ceiling of the bundle allows.
pub(super) const CEILING_EXCEEDED: &str = "policy.ceiling.exceeded";
/// The bundle is missing or wrong.
pub(super) const BUNDLE_INVALID: &str = "policy.bundle.invalid";
/// What is asked for has no meaning.
pub(super) const REQUEST_INVALID: &str = "request.invalid";
/// The image's name is not a valid reference.
pub const IMAGE_INVALID: &str = "image.invalid";
/// The bundle does not list the image's registry.
pub const REGISTRY_NOT_ALLOWED: &str = "image.registry.not.allowed";
/// The bundle requires a signature, and none could be verified.
pub const SIGNATURE_REQUIRED: &str = "image.signature.required";
/// The bundle prefers a signature, and none could be verified.
pub(super) const SIGNATURE_PERMISSIVE: &str = "image.signature.permissive";
/// The image's signature was verified.
pub(super) const SIGNATURE_VERIFIED: &str = "image.signature.verified";

/// All codes.
pub const CODES: [&str; 11] = [
    ALLOWED,
    OPENED,
    DENIED,
    CEILING_EXCEEDED,
    BUNDLE_INVALID,
    REQUEST_INVALID,
    IMAGE_INVALID,
    REGISTRY_NOT_ALLOWED,
    SIGNATURE_REQUIRED,
    SIGNATURE_PERMISSIVE,
    SIGNATURE_VERIFIED,
];

/// The denial of a profile that is none.
pub(super) fn invalid_profile(reason: String) -> Decision {
    let (subject, point) = ("profile".to_owned(), PolicyPoint::Profile);
    Decision { subject, point, verdict: Verdict::Deny, code: REQUEST_INVALID, reason, hint: None }
}

/// The denial of an image whose name is not a valid reference.
pub fn invalid_image(subject: &str, error: &super::image::ImageError) -> Decision {
    let hint = "write it as `alpine:3.20` or `ghcr.io/owner/name@sha256:…`";
    Decision {
        subject: subject.to_owned(),
        point: PolicyPoint::Image,
        verdict: Verdict::Deny,
        code: IMAGE_INVALID,
        reason: error.to_string(),
        hint: Some(hint.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_formats() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats.md");
        let page = std::fs::read_to_string(path).unwrap();
        for code in CODES {
            assert!(page.contains(&format!("| `{code}` |")), "`{code}` is not in docs/formats.md");
        }
    }
}
