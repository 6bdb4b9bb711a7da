//! What is asked for when a source is added.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::SourceError;
use super::record::{Expose, PullPolicy, SourceKind, SourceRecord};
use crate::model::Quoted;

/// The longest name, in bytes.
const MAX_NAME: usize = 100;

/// What is asked for when a source is added.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSource)]
pub(crate) struct SourceRequest {
    /// `local`, `git` or `oci`
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub(crate) kind: Option<String>,
    /// Its name; the last part of the folder, address or image when absent
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The folder; the branch, tag or commit; or the image
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    /// The address of the repository
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Must be true for an image
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trusted: Option<bool>,
    /// When an image is pulled: `on-add`, `on-run` or `never`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pull_policy: Option<String>,
    /// Kept as it is
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) trust: Option<Map<String, Value>>,
    /// Whether its aliases are shown: `none`, `read` or `readwrite`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expose: Option<String>,
    /// Whether an image must have a verified signature
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verify_signatures: Option<bool>,
}

/// A text that says something.
fn filled(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

impl SourceRequest {
    /// What is in `ref`, unless it is empty.
    pub(super) fn reference(&self) -> Option<&str> {
        filled(self.reference.as_ref())
    }

    /// What is in `url`, unless it is empty.
    pub(super) fn url(&self) -> Option<&str> {
        filled(self.url.as_ref())
    }

    /// The record that says what the request says, with the name that the source gets. Nothing is looked up.
    ///
    /// # Errors
    /// What is wrong with the request itself.
    pub(crate) fn to_record(&self) -> Result<SourceRecord, SourceError> {
        let kind = match filled(self.kind.as_ref()) {
            None => return Err(SourceError::new("type is required", "a source is `local`, `git` or `oci`")),
            Some("local") => SourceKind::Local,
            Some("git") => SourceKind::Git,
            Some("oci") => SourceKind::Oci,
            Some(other) => {
                let detail = format!("{} is not `local`, `git` or `oci`", Quoted::new(other));
                return Err(SourceError::new("unsupported source type", detail));
            }
        };
        // A name that was given is refused first, whatever else is missing.
        let given = filled(self.name.as_ref()).map(name).transpose()?;
        let named_after = self.named_after(kind)?;
        let mut record =
            SourceRecord::new(given.map_or_else(|| name(last_part(kind, named_after)), Ok)?, kind);
        record.reference = self.reference().unwrap_or_default().to_owned();
        record.trust = self.trust.clone().unwrap_or_default();
        record.expose = expose(filled(self.expose.as_ref()))?;
        let pull = pull_policy(filled(self.pull_policy.as_ref()))?;
        record.pull_policy = (kind == SourceKind::Oci).then_some(pull);
        record.verify_signatures = kind == SourceKind::Oci && self.verify_signatures == Some(true);
        Ok(record)
    }

    /// What a source without a name is named after; what it cannot do without is there.
    fn named_after(&self, kind: SourceKind) -> Result<&str, SourceError> {
        let missing = |title, detail: &str| SourceError::new(title, detail);
        match kind {
            SourceKind::Local => self.reference().ok_or_else(|| {
                missing("ref is required for local sources", "`ref` is the folder of a local source")
            }),
            SourceKind::Git => {
                let url = self.url().ok_or_else(|| {
                    missing("url is required for git sources", "`url` is the address of the repository")
                })?;
                let what = "`ref` is the branch, tag or commit of a git source";
                self.reference().map(|_| url).ok_or_else(|| missing("ref is required for git sources", what))
            }
            SourceKind::Oci => self
                .reference()
                .or(self.url())
                .ok_or_else(|| missing("ref is required for oci sources", "`ref` is the image of an add-on")),
        }
    }
}

/// The last part of a path, an address or an image, without what follows the name.
fn last_part(kind: SourceKind, text: &str) -> &str {
    let path = text.trim_end_matches('/');
    match kind {
        SourceKind::Local => path.rsplit('/').next().unwrap_or_default(),
        SourceKind::Git => {
            let last = path.rsplit(['/', ':']).next().unwrap_or_default();
            last.strip_suffix(".git").unwrap_or(last)
        }
        SourceKind::Oci => {
            let last = path.split('@').next().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
            last.split(':').next().unwrap_or_default()
        }
    }
}

/// Checks a name: it is that of a folder below the data folder, and the first part of ids of jobs.
fn name(text: &str) -> Result<String, SourceError> {
    let reason = match text {
        "" => "it is empty",
        "." | ".." => "it has another meaning in a path",
        long if long.len() > MAX_NAME => "it is longer than 100 bytes",
        slashed if slashed.contains(['/', '\\']) => "`/` and `\\` are not allowed",
        odd if odd.chars().any(char::is_control) => "control characters are not allowed",
        _ => return Ok(text.to_owned()),
    };
    let detail = format!("{} is not the name of a source: {reason}", Quoted::new(text));
    Err(SourceError::new("invalid name", detail).hint("choose another `name`"))
}

fn expose(word: Option<&str>) -> Result<Expose, SourceError> {
    match word {
        None => Ok(Expose::default()),
        Some("none") => Ok(Expose::None),
        Some("read") => Ok(Expose::Read),
        Some("readwrite") => Ok(Expose::ReadWrite),
        Some(other) => {
            let detail = format!("{} is not `none`, `read` or `readwrite`", Quoted::new(other));
            Err(SourceError::new("invalid expose", detail))
        }
    }
}

fn pull_policy(word: Option<&str>) -> Result<PullPolicy, SourceError> {
    match word {
        None | Some("on-add" | "always") => Ok(PullPolicy::OnAdd),
        Some("on-run" | "ifNotPresent" | "if-not-present" | "missing") => Ok(PullPolicy::OnRun),
        Some("never") => Ok(PullPolicy::Never),
        Some(other) => {
            let detail = format!("{} is not `on-add`, `on-run` or `never`", Quoted::new(other));
            Err(SourceError::new("invalid pull policy", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<SourceRecord, SourceError> {
        serde_json::from_str::<SourceRequest>(json).unwrap().to_record()
    }

    #[test]
    fn what_a_request_lacks_or_has_wrong_is_named() {
        for (json, title) in [
            ("{}", "type is required"),
            (r#"{"type":""}"#, "type is required"),
            (r#"{"type":"fs"}"#, "unsupported source type"),
            (r#"{"type":"local"}"#, "ref is required for local sources"),
            (r#"{"type":"local","ref":""}"#, "ref is required for local sources"),
            (r#"{"type":"git","ref":"main"}"#, "url is required for git sources"),
            (r#"{"type":"git","url":"https://h/x"}"#, "ref is required for git sources"),
            (r#"{"type":"oci"}"#, "ref is required for oci sources"),
            (r#"{"type":"local","ref":"x","name":"a/b"}"#, "invalid name"),
            (r#"{"type":"local","ref":"x","name":"a\\b"}"#, "invalid name"),
            (r#"{"type":"local","ref":"x","name":".."}"#, "invalid name"),
            (r#"{"type":"local","ref":"x","name":"."}"#, "invalid name"),
            (r#"{"type":"local","ref":"x","name":"a\u0000b"}"#, "invalid name"),
            (r#"{"type":"local","ref":"x","name":"a\nb"}"#, "invalid name"),
            (r#"{"type":"local","ref":".."}"#, "invalid name"),
            (r#"{"type":"local","ref":"/"}"#, "invalid name"),
            (r#"{"type":"local","ref":"x","expose":"all"}"#, "invalid expose"),
            (r#"{"type":"oci","ref":"x","pull_policy":"sometimes"}"#, "invalid pull policy"),
        ] {
            let error = request(json).unwrap_err();
            assert_eq!((error.title, error.status, error.code), (title, 400, None), "{json}");
        }
        let long = format!(r#"{{"type":"local","ref":"x","name":"{}"}}"#, "n".repeat(101));
        assert_eq!(request(&long).unwrap_err().title, "invalid name");
        assert!(serde_json::from_str::<SourceRequest>(r#"{"type":"local","reff":"x"}"#).is_err());
    }

    #[test]
    fn a_source_without_a_name_is_named_after_what_it_is() {
        for (json, name) in [
            (r#"{"type":"local","ref":"../extra-scripts/"}"#, "extra-scripts"),
            (r#"{"type":"git","ref":"main","url":"https://h/a/tools.git"}"#, "tools"),
            (r#"{"type":"git","ref":"main","url":"git@h:tools.git"}"#, "tools"),
            (r#"{"type":"oci","ref":"h:5000/o/addon:1@sha256:0"}"#, "addon"),
            (r#"{"type":"oci","url":"h:5000/o/addon"}"#, "addon"),
        ] {
            assert_eq!(request(json).unwrap().name, name, "{json}");
        }
    }

    #[test]
    fn pull_policies_of_engines_are_understood() {
        let policy = |word: &str| {
            let json = format!(r#"{{"type":"oci","ref":"x","pull_policy":"{word}"}}"#);
            request(&json).unwrap().pull_policy
        };
        for (word, expected) in [
            ("", PullPolicy::OnAdd),
            ("always", PullPolicy::OnAdd),
            ("on-add", PullPolicy::OnAdd),
            ("on-run", PullPolicy::OnRun),
            ("ifNotPresent", PullPolicy::OnRun),
            ("never", PullPolicy::Never),
        ] {
            assert_eq!(policy(word), Some(expected), "{word}");
        }
        assert_eq!(request(r#"{"type":"local","ref":"x","pull_policy":"never"}"#).unwrap().pull_policy, None);
    }
}
