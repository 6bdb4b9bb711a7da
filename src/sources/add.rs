//! Adding a source.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::error::SourceError;
use super::record::{SourceKind, SourceRecord};
use super::request::SourceRequest;
use super::rules::SourceRules;
use super::{git, local, oci};
use crate::config::DataDir;
use crate::metrics::ContainerMetrics;
use crate::model::InstanceId;
use crate::policy::Policy;
use crate::sys::cancel_signal::CancelSignal;

/// What adding a source needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceContext<'a> {
    pub(crate) data: &'a DataDir,
    /// The operator's lists.
    pub(crate) rules: &'a SourceRules,
    /// What containers may.
    pub(crate) policy: &'a Policy,
    /// The environment of the server.
    pub(crate) environment: &'a [(String, String)],
    /// The data folder's id, which marks the processes of git.
    pub(crate) instance: InstanceId,
    /// Ends git.
    pub(crate) cancel: &'a CancelSignal,
    /// Set to false: ends the writing of files.
    pub(crate) is_wanted: &'a AtomicBool,
    /// How long things may take.
    pub(crate) time: SourceTimes,
    /// Counts what is pulled.
    pub(crate) containers: &'a ContainerMetrics,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceTimes {
    /// Asking a repository for its refs.
    pub(crate) query: Duration,
    /// Fetching.
    pub(crate) fetch: Duration,
    /// Pulling an image.
    pub(crate) pull: Duration,
    /// Reading the manifest in an image that is there.
    pub(crate) manifest: Duration,
}

impl Default for SourceTimes {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { query: secs(60), fetch: secs(600), pull: secs(600), manifest: secs(60) }
    }
}

/// Checks a request, fetches what it names, and gives the record. One name is added by one caller at a time.
///
/// # Errors
/// Why it was not added. What an older source of the name needs is as it was.
pub(crate) fn add(context: &SourceContext<'_>, request: &SourceRequest) -> Result<SourceRecord, SourceError> {
    let record = request.to_record()?;
    let mut record = match record.kind {
        SourceKind::Local => local::complete(record, context.rules),
        SourceKind::Git => git::complete(record, request, context),
        SourceKind::Oci => oci::complete(record, request, context),
    }?;
    record.locate(context.data);
    Ok(record)
}
