//! A value in a table of options, as plain data.

use mlua::{LuaString, Table, Value};

use crate::model::escape_controls;

/// Tables and lists inside each other, at most.
const MAX_DEPTH: usize = 4;

/// Items of one list or table that are read.
const MAX_ITEMS: usize = 1000;

/// The longest string that a message shows, in bytes.
const MAX_SHOWN: usize = 60;

/// The value of an option.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// A string.
    Text(String),
    /// A number.
    Number(f64),
    /// A boolean.
    Flag(bool),
    /// A list.
    List(Vec<OptionValue>),
    /// A table with names, sorted by them.
    Table(Vec<(String, OptionValue)>),
    /// What a constructor made that is not in this version, by its name.
    Planned(String),
    /// Anything else: the name of its type.
    Other(&'static str),
}

impl OptionValue {
    /// Reads a value; what is no data is kept as the name of its type.
    pub(super) fn read(value: &Value) -> OptionValue {
        read(value, MAX_DEPTH)
    }

    /// The value for a message: its type, and itself when it is short.
    pub fn kind(&self) -> String {
        match self {
            OptionValue::Text(text) => shown_string(text),
            OptionValue::Number(number) => format!("the number {number}"),
            OptionValue::Flag(flag) => format!("the boolean {flag}"),
            OptionValue::List(_) => "a list".to_owned(),
            OptionValue::Table(_) => "a table".to_owned(),
            OptionValue::Planned(name) => format!("what `{name}` made"),
            OptionValue::Other(kind) => format!("a {kind}"),
        }
    }
}

/// A string for a message: whole and as it was given, or not at all.
pub(super) fn shown_string(text: &str) -> String {
    if text.len() <= MAX_SHOWN {
        format!("the string \"{}\"", escape_controls(text))
    } else {
        "a long string".to_owned()
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
fn read(value: &Value, depth: usize) -> OptionValue {
    match value {
        Value::Boolean(flag) => OptionValue::Flag(*flag),
        Value::Integer(_) | Value::Number(_) => {
            OptionValue::Number(value.as_f64().or_else(|| value.as_integer().map(wide)).unwrap_or(f64::NAN))
        }
        Value::Table(table) => read_table(table, depth),
        other => text(other).map_or(OptionValue::Other(other.type_name()), OptionValue::Text),
    }
}

fn read_table(table: &Table, depth: usize) -> OptionValue {
    if let Some(planned) = planned(table) {
        return OptionValue::Planned(planned);
    }
    let Some(depth) = depth.checked_sub(1) else { return OptionValue::Other("table that is too deep") };
    let pairs: Vec<(Value, Value)> = table.pairs().flatten().take(MAX_ITEMS + 1).collect();
    if pairs.len() > MAX_ITEMS {
        return OptionValue::Other("table that is too large");
    }
    let length = table.raw_len();
    if length == pairs.len() {
        let item = |place| read(&table.raw_get(place).unwrap_or(Value::Nil), depth);
        return OptionValue::List((1..=length).map(item).collect());
    }
    let mut named = Vec::with_capacity(pairs.len());
    for (key, value) in &pairs {
        match text(key) {
            Some(name) => named.push((name, read(value, depth))),
            None => return OptionValue::Other("table whose keys are no strings"),
        }
    }
    named.sort_by(|left, right| left.0.cmp(&right.0));
    OptionValue::Table(named)
}

/// The name of what a constructor made that is not in this version.
pub(super) fn planned(table: &Table) -> Option<String> {
    table.raw_get::<Option<String>>("quire/planned").ok().flatten()
}

fn text(value: &Value) -> Option<String> {
    value.as_string().and_then(|text: &LuaString| text.to_str().ok().map(|text| text.to_owned()))
}

#[expect(clippy::cast_precision_loss, reason = "an option's number is small, or refused")]
fn wide(whole: i64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str) -> OptionValue {
        OptionValue::read(&mlua::Lua::new().load(code).eval().unwrap())
    }

    #[test]
    fn data_is_kept_and_the_rest_is_named() {
        let text = |text: &str| OptionValue::Text(text.to_owned());
        assert_eq!(of("return {'a', 2, true}"), {
            OptionValue::List(vec![text("a"), OptionValue::Number(2.0), OptionValue::Flag(true)])
        });
        assert_eq!(
            of("return {b = {c = 'd'}, a = {}}"),
            OptionValue::Table(vec![
                ("a".to_owned(), OptionValue::List(Vec::new())),
                ("b".to_owned(), OptionValue::Table(vec![("c".to_owned(), text("d"))])),
            ])
        );
        assert_eq!(of("return print"), OptionValue::Other("function"));
        assert_eq!(of("return {[true] = 1}").kind(), "a table whose keys are no strings");
        assert_eq!(of("return {['quire/planned'] = 'matrix'}"), OptionValue::Planned("matrix".to_owned()));
        let deep = of("local t = {} for i = 1, 9 do t = {t} end return t");
        assert!(format!("{deep:?}").contains("too deep"));
        assert_eq!(
            of("local t = {} for i = 1, 1001 do t[i] = i end return t").kind(),
            "a table that is too large"
        );
    }
}
