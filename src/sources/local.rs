//! Folders of this machine.

use serde_json::Map;

use super::error::SourceError;
use super::record::SourceRecord;
use super::rules::SourceRules;

/// Completes the record of a folder.
///
/// # Errors
/// The folder is not allowed, or is none.
pub(super) fn complete(mut record: SourceRecord, rules: &SourceRules) -> Result<SourceRecord, SourceError> {
    let folder = rules.folder(&record.reference)?;
    record.resolved_ref = folder.to_string_lossy().into_owned();
    let resolved = record.resolved_ref.clone();
    record.set("resolved_path", &resolved);
    record.provenance = Map::from_iter([
        ("type".to_owned(), record.kind.as_str().into()),
        ("resolved_path".to_owned(), resolved.into()),
    ]);
    Ok(record)
}
