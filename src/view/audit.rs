//! The audit as JSON and as lines.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sanitize::{one_line, reason_line};
use crate::store::AuditRow;

/// An entry of the audit: somebody did something.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct AuditShape {
    /// When, in RFC 3339 with milliseconds.
    pub(crate) time: String,
    /// Who: `user:…`, `token:…`, `uid:…`, or `nobody`.
    pub(crate) actor: String,
    /// What, in a dotted word: `run.cancel`.
    pub(crate) action: String,
    /// What it was done to.
    pub(crate) subject: Option<String>,
    /// More about it.
    #[schema(value_type = Object)]
    pub(crate) detail: Map<String, Value>,
}

impl AuditShape {
    /// The shape of a row.
    pub(crate) fn new(row: AuditRow) -> Self {
        let AuditRow { id: _, at, actor, action, subject, detail } = row;
        Self { time: at.to_string(), actor, action, subject, detail }
    }
}

/// The line of an entry in the file of the audit: its shape, with its number.
pub(crate) fn audit_file_line(row: AuditRow) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Numbered {
        id: i64,
        #[serde(flatten)]
        shape: AuditShape,
    }
    let numbered = Numbered { id: row.id, shape: AuditShape::new(row) };
    Ok(format!("{}\n", serde_json::to_string(&numbered)?))
}

/// An entry as a line for people.
pub(crate) fn audit_line(row: &AuditShape) -> String {
    let subject =
        row.subject.as_deref().map(|subject| format!("  {}", one_line(subject))).unwrap_or_default();
    let shown = |(name, value): (&String, &Value)| format!("{name}={}", reason_line(&detail(value)));
    let details: Vec<String> = row.detail.iter().map(shown).collect();
    let details = if details.is_empty() { String::new() } else { format!("  {}", details.join(" ")) };
    let (actor, action) = (one_line(&row.actor), one_line(&row.action));
    format!("{}  {action:<18}  {actor}{subject}{details}\n", row.time)
}

/// A detail for people: `main 9f31c2a..88aa41b` for a ref that moved.
fn detail(value: &Value) -> String {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let short = |id: &str| id.chars().take(7).collect::<String>();
    match (value, text("ref"), text("old"), text("new")) {
        (Value::String(text), ..) => text.clone(),
        (Value::Array(items), ..) => items.iter().map(detail).collect::<Vec<_>>().join(", "),
        (_, Some(name), Some(old), Some(new)) => format!("{name} {}..{}", short(old), short(new)),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn an_entry_is_one_line_whatever_is_in_it() {
        let row = AuditRow {
            id: 7,
            at: Timestamp::from_millis(0),
            actor: "user:a\nda".to_owned(),
            action: "run.cancel".to_owned(),
            subject: Some("foo#1\u{1b}[2J".to_owned()),
            detail: Map::from_iter([("why".to_owned(), Value::from("a\nb"))]),
        };
        let line = audit_line(&AuditShape::new(row.clone()));
        assert_eq!((line.lines().count(), line.contains('\u{1b}')), (1, false), "{line}");
        let text = audit_file_line(row).unwrap();
        assert_eq!(
            text,
            "{\"id\":7,\"time\":\"1970-01-01T00:00:00.000Z\",\"actor\":\"user:a\\nda\",\"action\":\"run.cancel\",\
             \"subject\":\"foo#1\\u001b[2J\",\"detail\":{\"why\":\"a\\nb\"}}\n"
        );
    }
}
