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

pub(crate) use add::{SourceContext, SourceTimes, add};
pub(crate) use error::SourceError;
pub(crate) use provenance::default_provenance;
pub(crate) use record::{Expose, PullPolicy, SourceKind, SourceRecord};
pub(crate) use request::SourceRequest;
pub(crate) use rules::SourceRules;
pub(crate) use tidy::remove_unused;
