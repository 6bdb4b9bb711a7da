//! Where a job comes from, as plans and runs say it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::record::{PullPolicy, SourceRecord};

impl SourceRecord {
    /// What plans and runs of its jobs say in `provenance.source`.
    pub(crate) fn provenance(&self) -> Value {
        let mut said = Map::new();
        let mut say = |name: &str, value: Value| {
            let is_empty = match &value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(members) => members.is_empty(),
                Value::Bool(flag) => !flag,
                Value::Number(_) => false,
            };
            if !is_empty {
                said.insert(name.to_owned(), value);
            }
        };
        let resolved = if self.resolved_ref.is_empty() { &self.digest } else { &self.resolved_ref };
        say("name", self.name.as_str().into());
        say("type", self.kind.as_str().into());
        say("ref", self.reference.as_str().into());
        say("url", self.url.as_str().into());
        say("resolved_ref", resolved.as_str().into());
        say("resolved_commit", self.resolved_commit.as_str().into());
        say("digest", self.digest.as_str().into());
        say("pull_policy", self.pull_policy.map(PullPolicy::as_str).into());
        say("verify_signatures", self.verify_signatures.into());
        say("aliases", json!(self.aliases));
        say("trust", self.trust.clone().into());
        say("metadata", self.metadata.clone().into());
        said.into()
    }
}

/// What plans and runs of a job of the default root say in `provenance.source`.
pub(crate) fn default_provenance(job: &str, folder: &Path, absolute: &Path) -> Value {
    json!({
        "type": "local",
        "name": job,
        "ref": folder.to_string_lossy(),
        "resolved_ref": absolute.to_string_lossy(),
    })
}
