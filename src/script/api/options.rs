//! Reading a table of options: unknown names and wrong types are told by name.

use std::time::Duration;

use mlua::{Table, Value};

use crate::model::{Quoted, parse_duration, suggest};

use super::{bytes, kind, text};

/// The longest timeout that is accepted: a year.
const MAX_SECS: f64 = 365.0 * 86_400.0;

/// The options of one call.
pub(super) struct Options<'a> {
    of: &'static str,
    table: Option<&'a Table>,
}

impl<'a> Options<'a> {
    /// Takes the options of a call of `of`, which knows these names.
    pub(super) fn read(of: &'static str, value: &'a Value, known: &[&str]) -> Result<Options<'a>, String> {
        let options = Options::of_step(of, value)?;
        let Some(table) = options.table else { return Ok(options) };
        for (key, _) in table.pairs::<Value, Value>().flatten() {
            let Some(name) = text(&key) else {
                return Err(format!("the options of {of} have names, got {} as a key", kind(&key)));
            };
            if !known.contains(&name.as_str()) {
                let meant = suggest(&name, known.iter().copied());
                return Err(match meant {
                    Some(meant) => format!("unknown option `{name}` of {of}; did you mean `{meant}`?"),
                    None => format!("unknown option `{name}` of {of}; it has `{}`", known.join("` `")),
                });
            }
        }
        Ok(options)
    }

    /// Takes the options of a call whose names are checked by the caller.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
    pub(super) fn of_step(of: &'static str, value: &'a Value) -> Result<Options<'a>, String> {
        match value {
            Value::Nil => Ok(Options { of, table: None }),
            Value::Table(table) => Ok(Options { of, table: Some(table) }),
            other => Err(format!("the options of {of} are a table, got {}", kind(other))),
        }
    }

    fn get(&self, name: &str) -> Option<Value> {
        let value: Value = self.table?.raw_get(name).ok()?;
        if value.is_nil() { None } else { Some(value) }
    }

    fn wants(&self, name: &str, what: &str, got: &Value) -> String {
        format!("`:{name}` of {} wants {what}, got {}", self.of, kind(got))
    }

    /// A text without NUL bytes.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let found = text(&value).ok_or_else(|| self.wants(name, "a string of UTF-8", &value))?;
        if found.contains('\0') {
            return Err(format!("`:{name}` of {} must not have a NUL byte", self.of));
        }
        Ok(Some(found))
    }

    /// Any bytes.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        bytes(&value).map(Some).ok_or_else(|| self.wants(name, "a string", &value))
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_boolean().map(Some).ok_or_else(|| self.wants(name, "true or false", &value))
    }

    /// A time: `"5m"`, or a number of seconds; more than nothing.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let found = match (text(&value), number(&value)) {
            (Some(text), _) => {
                parse_duration(&text).map_err(|error| format!("`:{name}` of {}: {error}", self.of))?
            }
            (None, Some(secs)) if secs > 0.0 && secs <= MAX_SECS => Duration::from_secs_f64(secs),
            (None, Some(secs)) => {
                return Err(format!("`:{name}` of {} is {secs} seconds, which is no time to wait", self.of));
            }
            (None, None) => {
                return Err(self.wants(name, "a time such as \"5m\" or a number of seconds", &value));
            }
        };
        if found.is_zero() {
            return Err(format!("`:{name}` of {} is no time at all", self.of));
        }
        Ok(Some(found))
    }

    /// Variables for a process, sorted by name.
    pub(super) fn variables(&self, name: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let table = value.as_table().ok_or_else(|| self.wants(name, "a table of strings", &value))?;
        let mut variables = Vec::new();
        for (key, value) in table.pairs::<Value, Value>().flatten() {
            let Some(key) = text(&key) else {
                return Err(format!("`:{name}` of {} has names as keys, got {}", self.of, kind(&key)));
            };
            if key.is_empty() || key.contains(['=', '\0']) {
                let key = Quoted::new(&key);
                return Err(format!("`:{name}` of {}: {key} cannot be the name of a variable", self.of));
            }
            let Some(bytes) = argument(&value) else {
                return Err(format!(
                    "`:{name}` of {} wants a string for `{key}`, got {}",
                    self.of,
                    kind(&value)
                ));
            };
            if bytes.contains(&0) {
                return Err(format!(
                    "`:{name}` of {}: the value of `{key}` must not have a NUL byte",
                    self.of
                ));
            }
            variables.push((key, bytes));
        }
        variables.sort();
        Ok(variables)
    }
}

/// The bytes of a string, or of a number as Lua writes it.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
pub(super) fn argument(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Integer(_) | Value::Number(_) => value.to_string().ok().map(String::into_bytes),
        other => bytes(other),
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds over 2^53 are refused anyway")]
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(whole) => Some(*whole as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}
