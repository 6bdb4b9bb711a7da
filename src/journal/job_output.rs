//! What a job gives to those that need it, as a journal keeps it: JSON within a limit, without secrets.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fact::MAX_REASON;
use crate::secret::{RedactedText, Redactor};

/// The largest output of a job, as JSON, in bytes. A larger one is left out.
pub const MAX_OUTPUT: usize = 256 * 1024;

/// The output of a job. Those of a `Fact<String>` may hold secrets; [`Fact::redacted`] makes the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct JobOutput<T = RedactedText> {
    /// The value; nothing when it is left out.
    json: Option<Value>,
    /// Whether secrets were taken out of it: then it is not what the job gave.
    redacted: bool,
    /// Why it is left out.
    left_out: Option<String>,
    #[serde(skip)]
    text: PhantomData<fn() -> T>,
}

impl JobOutput<String> {
    /// What a job gave, or why that cannot be JSON.
    pub(crate) fn new(output: Result<Value, String>) -> Self {
        let (json, left_out) = output.map_or_else(|problem| (None, Some(problem)), |json| (Some(json), None));
        Self { json, redacted: false, left_out, text: PhantomData }
    }

    pub(super) fn redacted(self, redactor: &Redactor) -> JobOutput {
        let without = |left_out: &str| JobOutput {
            json: None,
            redacted: false,
            left_out: Some(left_out.to_owned()),
            text: PhantomData,
        };
        let Some(json) = self.json else {
            let why = self.left_out.unwrap_or_default();
            return without(&redactor.text(&why).shorten_to_bytes(MAX_REASON));
        };
        let clean = redact_json(&json, redactor);
        let text = clean.to_string();
        if text.len() > MAX_OUTPUT {
            return without(&format!("it has {} bytes, more than {MAX_OUTPUT}", text.len()));
        }
        // A value that reaches over several parts is found in no part.
        if redactor.text(&text) != text.as_str() {
            return without("a secret reaches over several of its parts");
        }
        JobOutput { redacted: clean != json, json: Some(clean), left_out: None, text: PhantomData }
    }
}

impl JobOutput {
    /// The value, without secrets; nothing when it is left out.
    pub fn json(&self) -> Option<&Value> {
        self.json.as_ref()
    }

    /// Whether it is what the job gave: complete, and without secrets taken out.
    pub fn is_exact(&self) -> bool {
        self.json.is_some() && !self.redacted
    }

    /// Why it is left out.
    pub(crate) fn left_out(&self) -> Option<&str> {
        self.left_out.as_deref()
    }
}

/// The same value without secrets in its strings, keys and numbers.
fn redact_json(json: &Value, redactor: &Redactor) -> Value {
    match json {
        Value::Null | Value::Bool(_) => json.clone(),
        Value::Number(number) => {
            let (text, shown) = (number.to_string(), redactor.text(&number.to_string()));
            if shown == text.as_str() { json.clone() } else { Value::String(shown.into_string()) }
        }
        Value::String(text) => Value::String(redactor.text(text).into_string()),
        Value::Array(items) => items.iter().map(|item| redact_json(item, redactor)).collect(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                (redactor.text(key).into_string(), redact_json(value, redactor))
            };
            Value::Object(members.iter().map(member).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SecretName;
    use serde_json::json;

    fn redactor(value: &str) -> Redactor {
        Redactor::new(vec![(SecretName::parse("t").unwrap(), value.as_bytes().to_vec().into())])
    }

    #[test]
    fn an_output_is_kept_whole_within_its_limit_and_without_secrets() {
        let kept = |value: &str, output: Value| JobOutput::new(Ok(output)).redacted(&redactor(value));
        let exact = kept("12345678", json!({ "a": [1, 2.5, null, true], "b": "x" }));
        assert_eq!(
            (exact.json(), exact.is_exact()),
            (Some(&json!({ "a": [1, 2.5, null, true], "b": "x" })), true)
        );
        for output in [json!({ "k": "12345678" }), json!({ "12345678": 1 }), json!([12_345_678])] {
            let cleaned = kept("12345678", output);
            assert!(cleaned.json().unwrap().to_string().contains("<redacted>") && !cleaned.is_exact());
        }
        let spread = kept("1,2,3,4", json!([1, 2, 3, 4]));
        assert_eq!((spread.json(), spread.is_exact()), (None, false));
        // The quotation marks count.
        let whole = kept("12345678", json!("x".repeat(MAX_OUTPUT - 2)));
        assert!(whole.is_exact());
        let large = kept("12345678", json!("x".repeat(MAX_OUTPUT - 1)));
        assert_eq!(large.left_out(), Some("it has 262145 bytes, more than 262144"));
    }
}
