//! Sources of jobs: folders of this machine, git repositories and images from which job folders come.
//!
//! [`add`] checks a request against the operator's lists, fetches what has to be fetched, and gives the record that is kept.
//! A repository is fetched as watched ones are ([`crate::watch`]) and its commit is written into a folder of its own, without
//! hooks and filters; of an image only its manifest is read, by a container without rights. Everything here blocks.

mod add;
mod addon;
mod error;
mod git;
mod git_ref;
mod local;
mod manifest;
mod oci;
mod provenance;
mod record;
mod request;
mod rules;
mod tidy;

pub use add::{SourceContext, SourceTimes, add};
pub use error::SourceError;
pub use manifest::{AddonJob, AddonManifest, MANIFEST_PATH, MAX_MANIFEST, Tool};
pub use provenance::default_provenance;
pub use record::{Expose, PullPolicy, SourceAlias, SourceKind, SourceRecord};
pub use request::SourceRequest;
pub use rules::SourceRules;
pub use tidy::remove_unused;
