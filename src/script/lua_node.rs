//! Values of the run VM as data, for what reads options.

use std::collections::BTreeSet;
use std::sync::Arc;

use mlua::{Table, Value as LuaValue};

use crate::schema::{Node, Number, Source, Value};

/// Tables and lists inside each other, at most.
const MAX_DEPTH: usize = 6;

/// Values in one argument, at most.
const MAX_VALUES: usize = 100_000;

/// The key of what a constructor made that is not in this version.
const PLANNED: &str = "quire/planned";

/// The key of what `ci.manual` made; its value says whether it was called with one argument at most.
const MANUAL: &str = "quire/manual";

/// Reads a value; what is not data is kept as what it is called. It has no place.
pub(super) fn read(value: &LuaValue) -> Node {
    let mut reader = Reader { source: Source::fennel("", String::new()), left: MAX_VALUES };
    reader.read(value, MAX_DEPTH)
}

/// Reads a table of options; without a table, no options are set.
pub(super) fn read_options(value: &LuaValue) -> Node {
    if !value.is_nil() {
        return read(value);
    }
    Node::new(None, Value::Table(Vec::new()), &Source::fennel("", String::new()))
}

/// A value for a message: what it is, and itself when it is a number or a boolean.
pub(super) fn kind(value: &LuaValue) -> String {
    if value.is_table() { "a table".to_owned() } else { read(value).value.kind() }
}

/// The name of what a constructor made that is not in this version.
pub(super) fn planned(table: &Table) -> Option<String> {
    table.raw_get::<Option<String>>(PLANNED).ok().flatten()
}

/// The arguments that `ci.manual` was given, when it made this table.
pub(super) fn manual(table: &Table) -> Option<Node> {
    let given = if table.raw_get::<Option<bool>>(MANUAL).ok().flatten()? {
        read(&table.raw_get("arguments").unwrap_or(LuaValue::Nil))
    } else {
        Node::new(None, Value::Other("several values".to_owned()), &Source::fennel("", String::new()))
    };
    Some(given)
}

/// The text of a string.
pub(super) fn text(value: &LuaValue) -> Option<String> {
    value.as_string().and_then(|text| text.to_str().ok().map(|text| text.to_owned()))
}

struct Reader {
    source: Arc<Source>,
    /// How many values may follow.
    left: usize,
}

impl Reader {
    fn read(&mut self, value: &LuaValue, depth: usize) -> Node {
        self.left = self.left.saturating_sub(1);
        let value = self.value(value, depth);
        Node::new(None, value, &self.source)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
    fn value(&mut self, value: &LuaValue, depth: usize) -> Value {
        match value {
            LuaValue::Nil => Value::Nil,
            LuaValue::Boolean(flag) => Value::Bool(*flag),
            LuaValue::Integer(_) | LuaValue::Number(_) => number(value),
            LuaValue::String(bytes) => match bytes.to_str() {
                Ok(text) => Value::String(text.to_owned()),
                Err(_) => Value::Bytes(bytes.as_bytes().to_vec()),
            },
            LuaValue::Table(table) => self.table(table, depth),
            other => Value::Other(format!("a {}", other.type_name())),
        }
    }

    fn table(&mut self, table: &Table, depth: usize) -> Value {
        if let Some(name) = planned(table) {
            return Value::Other(format!("what `ci.{name}` made"));
        }
        if table.contains_key(MANUAL).unwrap_or_default() {
            return Value::Other("what `ci.manual` made".to_owned());
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Value::Other("a table that is nested too deep".to_owned());
        };
        let pairs: Vec<(LuaValue, LuaValue)> = table.pairs().flatten().take(self.left + 1).collect();
        if pairs.len() > self.left {
            self.left = 0;
            return Value::Other("a table that is too large".to_owned());
        }
        if pairs.is_empty() && table.metatable().is_some() {
            return Value::Other("a table with a metatable".to_owned());
        }
        let length = table.raw_len();
        if length == pairs.len() && length > 0 {
            let items = (1..=length).map(|place| table.raw_get(place).unwrap_or(LuaValue::Nil));
            return Value::List(items.map(|item| self.read(&item, depth)).collect());
        }
        if let Some(hole) = hole(&pairs) {
            return Value::Other(format!("a list whose item {hole} is nil"));
        }
        let mut named: Vec<(Node, Node)> =
            pairs.iter().map(|(key, value)| (self.read(key, 0), self.read(value, depth))).collect();
        // Lua's order is another one each time.
        named.sort_by_cached_key(|(key, _)| key.as_argument().unwrap_or_default());
        Value::Table(named)
    }
}

/// The first place without an item in what was written as a list with nil in it.
fn hole(pairs: &[(LuaValue, LuaValue)]) -> Option<i64> {
    let places: Option<BTreeSet<i64>> = pairs.iter().map(|(key, _)| key.as_integer()).collect();
    let places = places.filter(|places| places.first().is_some_and(|first| *first > 0))?;
    let last = usize::try_from(*places.last()?).ok()?;
    // With fewer items, it is a table whose keys are numbers.
    if last > 2 * pairs.len() {
        return None;
    }
    (1..).find(|place| !places.contains(place))
}

#[expect(clippy::cast_precision_loss, reason = "the text has all digits")]
fn number(number: &LuaValue) -> Value {
    let value = number.as_f64().or_else(|| number.as_integer().map(|whole| whole as f64));
    let text = number.to_string().unwrap_or_default();
    Value::Number(Number { value: value.unwrap_or(f64::NAN), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str) -> Node {
        read(&mlua::Lua::new().load(code).eval().unwrap())
    }

    #[test]
    fn data_is_kept_and_the_rest_is_named() {
        let node = of("return {b = {c = 'd'}, a = {}, [3] = {'x', 2, true, '\\255'}}");
        let Value::Table(pairs) = &node.value else { panic!("{node:?}") };
        let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_argument().unwrap()).collect();
        assert_eq!(keys, [b"3", b"a", b"b"]);
        assert_eq!(node.get("b").unwrap().get("c").unwrap().as_str().unwrap(), "d");
        let list = pairs[0].1.as_list().unwrap();
        assert_eq!((list[1].as_integer(1, 9).unwrap(), list[2].as_bool().unwrap()), (2, true));
        assert_eq!((list[3].as_bytes().unwrap(), list[3].as_str().is_err()), (b"\xff".as_slice(), true));
        for (code, shown) in [
            ("return print", "a function"),
            ("return {['quire/planned'] = 'matrix'}", "what `ci.matrix` made"),
            ("return 9007199254740993", "the number 9007199254740993"),
            ("return nil", "nothing"),
        ] {
            assert_eq!(of(code).value.kind(), shown);
        }
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let deep = of("local t = {} for i = 1, 9 do t = {t} end return t");
        assert!(format!("{deep:?}").contains("too deep"));
        let large = "local t = {} for i = 1, 100001 do t[i] = i end return t";
        assert_eq!(of(large).value.kind(), "a table that is too large");
        let cyclic = of("local t = {} for i = 1, 1000 do t[i] = t end return t");
        assert!(format!("{cyclic:?}").contains("too large"));
    }
}
