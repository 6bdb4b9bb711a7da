//! Lua values to JSON and back.
//!
//! A walker of our own, because a failed step's result keeps `exit` and `ok` behind a metatable: it must be
//! found no matter where it is nested, and reading it here is not looking at it. Tables are read raw, so that no code
//! of the script runs. A table with the keys 1…n is a list; every other table, and the empty one, is an object
//! with its keys sorted, except that an empty list which came from JSON stays one. `null` becomes nil: it is
//! left out of objects, and in a list it is refused, since it would end the list.

use mlua::{Lua, Table, Value};
use serde_json::{Map, Number, Value as Json};

use crate::model::Quoted;
use crate::script::api::LateText;

/// The deepest nesting.
const MAX_DEPTH: usize = 100;
/// The most values in one document.
const MAX_VALUES: usize = 1_000_000;
/// The most text in the output of a job, in bytes: more than any journal keeps.
const MAX_OUTPUT_TEXT: usize = 1 << 20;

/// Why a value has no JSON, or the other way round.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WalkError {
    /// JSON has nothing for it.
    #[error("{at} is a {kind}, which JSON cannot hold")]
    Kind {
        /// Where it is, in words.
        at: String,
        /// Its type.
        kind: &'static str,
    },
    /// A table contains itself.
    #[error("{at} contains itself")]
    Cycle {
        /// Where it was met again.
        at: String,
    },
    /// The nesting is over the limit.
    #[error("{at} is nested deeper than {MAX_DEPTH} levels")]
    Depth {
        /// Where the limit was met.
        at: String,
    },
    /// The document is over the limit.
    #[error("the value has more than {MAX_VALUES} parts")]
    Size,
    /// The texts of an output are over the limit.
    #[error("it has more than {MAX_OUTPUT_TEXT} bytes of text")]
    Text,
    /// NaN or an infinity.
    #[error("{at} is {number}, which is not a number in JSON")]
    NotFinite {
        /// Where it is.
        at: String,
        /// As Lua writes it.
        number: String,
    },
    /// A string of other bytes.
    #[error("{at} is a string that is not UTF-8; `base64` makes it text")]
    NotUtf8 {
        /// Where it is.
        at: String,
    },
    /// A key that is neither a string nor a list's position.
    #[error("{at} has the key {key}: a table is a list with the keys 1 to n, or has strings as keys")]
    Key {
        /// Where the table is.
        at: String,
        /// The key.
        key: String,
    },
    /// A null where Lua cannot keep one.
    #[error("{at} is null, which a Lua list cannot hold")]
    NullInList {
        /// Where it is.
        at: String,
    },
    /// The VM had no memory for it.
    #[error("the VM could not hold the value")]
    Vm(#[source] mlua::Error),
}

/// The tables that the walker shares with the prelude.
#[derive(Clone)]
pub(super) struct Walker {
    /// Failed results, each with its step (`exit`, …); weak keys.
    pub(super) failed: Table,
    /// Results with large outputs that were not read yet, by name; weak keys.
    pub(super) late: Table,
    /// Empty tables that were empty lists in JSON; weak keys.
    lists: Table,
}

impl Walker {
    pub(super) fn new(lua: &Lua) -> mlua::Result<Self> {
        Ok(Self { failed: weak_table(lua)?, late: weak_table(lua)?, lists: weak_table(lua)? })
    }

    /// The JSON of a value.
    pub(super) fn json(&self, value: &Value) -> Result<Json, WalkError> {
        self.walk(value, Some(usize::MAX))
    }

    /// The JSON of the output of a job, which is left out when it is too large: the result of a step has all that it printed.
    pub(super) fn output(&self, value: &Value) -> Result<Json, WalkError> {
        self.walk(value, Some(MAX_OUTPUT_TEXT))
    }

    fn walk(&self, value: &Value, text_left: Option<usize>) -> Result<Json, WalkError> {
        let walk = Walk { walker: self, path: Vec::new(), above: Vec::new(), left: MAX_VALUES, text_left };
        { walk }.value(value)
    }

    /// Why a value cannot be a job's output. Text that is not UTF-8 and what is only too large can.
    pub(super) fn unfit(&self, value: &Value) -> Option<WalkError> {
        match self.walk(value, None).err()? {
            WalkError::NotUtf8 { .. } | WalkError::Size | WalkError::Text | WalkError::Depth { .. } => None,
            problem @ (WalkError::Kind { .. }
            | WalkError::Cycle { .. }
            | WalkError::NotFinite { .. }
            | WalkError::Key { .. }
            | WalkError::NullInList { .. }
            | WalkError::Vm(_)) => Some(problem),
        }
    }

    /// The Lua value of a document.
    pub(super) fn lua(&self, lua: &Lua, json: &Json) -> Result<Value, WalkError> {
        self.lua_at(lua, json, &mut Vec::new())
    }

    fn lua_at(&self, lua: &Lua, json: &Json, path: &mut Vec<String>) -> Result<Value, WalkError> {
        Ok(match json {
            Json::Null => Value::Nil,
            Json::Bool(flag) => Value::Boolean(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Integer(whole),
                None => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(lua.create_string(text)?),
            Json::Array(items) => {
                let table = lua.create_table_with_capacity(items.len(), 0)?;
                for (place, item) in items.iter().enumerate() {
                    path.push(format!("[{}]", place + 1));
                    if item.is_null() {
                        return Err(WalkError::NullInList { at: at(path) });
                    }
                    table.raw_set(place + 1, self.lua_at(lua, item, path)?)?;
                    path.pop();
                }
                if items.is_empty() {
                    self.lists.raw_set(&table, true)?;
                }
                Value::Table(table)
            }
            Json::Object(members) => {
                let table = lua.create_table_with_capacity(0, members.len())?;
                for (key, member) in members {
                    path.push(format!(".{key}"));
                    table.raw_set(key.as_str(), self.lua_at(lua, member, path)?)?;
                    path.pop();
                }
                Value::Table(table)
            }
        })
    }
}

impl From<mlua::Error> for WalkError {
    fn from(error: mlua::Error) -> Self {
        Self::Vm(error)
    }
}

impl From<WalkError> for mlua::Error {
    fn from(error: WalkError) -> Self {
        if let WalkError::Vm(error) = error { error } else { Self::external(error) }
    }
}

fn weak_table(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let metatable = lua.create_table()?;
    metatable.raw_set("__mode", "k")?;
    table.set_metatable(Some(metatable))?;
    Ok(table)
}

/// One walk from Lua to JSON.
struct Walk<'a> {
    walker: &'a Walker,
    path: Vec<String>,
    /// The tables that contain the current one.
    above: Vec<*const std::ffi::c_void>,
    left: usize,
    /// How many bytes of text may follow; nothing when texts are not copied.
    text_left: Option<usize>,
}

impl Walk<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
    fn value(&mut self, value: &Value) -> Result<Json, WalkError> {
        self.left = self.left.checked_sub(1).ok_or(WalkError::Size)?;
        match value {
            Value::Nil => Ok(Json::Null),
            Value::Boolean(flag) => Ok(Json::Bool(*flag)),
            Value::Integer(whole) => Ok(Json::Number((*whole).into())),
            Value::Number(number) => Number::from_f64(*number)
                .map(Json::Number)
                .ok_or_else(|| WalkError::NotFinite { at: self.at(), number: number.to_string() }),
            Value::String(text) => self.text(text),
            Value::Table(table) => self.table(table),
            Value::UserData(data) if data.is::<LateText>() => self.late_text(&*data.borrow::<LateText>()?),
            other => Err(WalkError::Kind { at: self.at(), kind: other.type_name() }),
        }
    }

    fn text(&mut self, text: &mlua::LuaString) -> Result<Json, WalkError> {
        if !self.takes_text(text.as_bytes().len())? {
            return Ok(Json::Null);
        }
        match text.to_str() {
            Ok(text) => Ok(Json::String(text.to_owned())),
            Err(_) => Err(WalkError::NotUtf8 { at: self.at() }),
        }
    }

    /// Whether texts are copied; so many bytes of one count then.
    fn takes_text(&mut self, length: usize) -> Result<bool, WalkError> {
        if let Some(left) = &mut self.text_left {
            *left = left.checked_sub(length).ok_or(WalkError::Text)?;
        }
        Ok(self.text_left.is_some())
    }

    /// A large output is read only when it is copied, and has room.
    fn late_text(&mut self, late: &LateText) -> Result<Json, WalkError> {
        if !self.takes_text(late.0.len())? {
            return Ok(Json::Null);
        }
        let bytes = late.0.read().map_err(mlua::Error::external)?.into_owned();
        String::from_utf8(bytes).map(Json::String).map_err(|_| WalkError::NotUtf8 { at: self.at() })
    }

    fn table(&mut self, table: &Table) -> Result<Json, WalkError> {
        let pointer = table.to_pointer();
        if self.above.contains(&pointer) {
            return Err(WalkError::Cycle { at: self.at() });
        }
        if self.above.len() >= MAX_DEPTH {
            return Err(WalkError::Depth { at: self.at() });
        }
        self.above.push(pointer);
        let length = table.raw_len();
        let json = if length > 0 { self.list(table, length) } else { self.object(table) };
        self.above.pop();
        json
    }

    fn list(&mut self, table: &Table, length: usize) -> Result<Json, WalkError> {
        let mut items = Vec::new();
        for place in 1..=length {
            self.path.push(format!("[{place}]"));
            let item: Value = table.raw_get(place)?;
            if item.is_nil() {
                return Err(WalkError::Kind { at: self.at(), kind: "hole in a list (nil)" });
            }
            items.push(self.value(&item)?);
            self.path.pop();
        }
        // `pairs` of mlua reads raw.
        for pair in table.pairs::<Value, Value>() {
            let (key, _) = pair?;
            let place = key.as_integer().and_then(|place| usize::try_from(place).ok());
            if place.is_none_or(|place| place > length) {
                return Err(WalkError::Key { at: self.at(), key: shown_key(&key) });
            }
        }
        Ok(Json::Array(items))
    }

    fn object(&mut self, table: &Table) -> Result<Json, WalkError> {
        let mut members = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            let name = key.as_string().map(mlua::LuaString::to_str);
            let Some(Ok(name)) = name else {
                return Err(WalkError::Key { at: self.at(), key: shown_key(&key) });
            };
            members.push((name.to_owned(), value));
        }
        if let Some(step) = self.walker.failed.raw_get::<Option<Table>>(table)? {
            members.push(("exit".to_owned(), step.raw_get("exit")?));
            members.push(("ok".to_owned(), Value::Boolean(false)));
        }
        if let Some(late) = self.walker.late.raw_get::<Option<Table>>(table)? {
            for pair in late.pairs::<String, Value>() {
                let (name, text) = pair?;
                if !members.iter().any(|(other, _)| *other == name) {
                    members.push((name, text));
                }
            }
        }
        if members.is_empty() && self.walker.lists.raw_get::<Option<bool>>(table)?.is_some() {
            return Ok(Json::Array(Vec::new()));
        }
        members.sort_by(|left, right| left.0.cmp(&right.0));
        let mut object = Map::new();
        for (name, value) in members {
            self.path.push(format!(".{name}"));
            let value = self.value(&value)?;
            self.path.pop();
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }

    fn at(&self) -> String {
        at(&self.path)
    }
}

fn at(path: &[String]) -> String {
    if path.is_empty() {
        return "the value".to_owned();
    }
    let path: String = path.concat();
    Quoted::new(path.strip_prefix('.').unwrap_or(&path)).to_string()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
fn shown_key(key: &Value) -> String {
    match key {
        Value::String(text) => format!("`{}`", text.to_string_lossy()),
        Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => key.to_string().unwrap_or_default(),
        other => format!("of type {}", other.type_name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(lua: &str) -> Result<String, String> {
        let vm = Lua::new();
        let walker = Walker::new(&vm).unwrap();
        let value: Value = vm.load(lua).eval().unwrap();
        walker.json(&value).map(|json| json.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn values_have_the_json_that_is_expected() {
        for (lua, expected) in [
            ("return nil", "null"),
            ("return {1, 2.5, 'a', true}", "[1,2.5,\"a\",true]"),
            ("return {b = 1, a = {c = {}}}", "{\"a\":{\"c\":{}},\"b\":1}"),
            ("local t = {} return {t, t}", "[{},{}]"),
            ("return math.maxinteger", "9223372036854775807"),
            ("return setmetatable({a = 1}, {__index = error, __pairs = error})", "{\"a\":1}"),
        ] {
            assert_eq!(json(lua).unwrap(), expected, "{lua}");
        }
    }

    #[test]
    fn what_json_cannot_hold_is_named_with_its_place() {
        for (lua, expected) in [
            ("return print", "the value is a function, which JSON cannot hold"),
            ("return {a = {b = {1, print}}}", "`a.b[2]` is a function, which JSON cannot hold"),
            ("return {0/0}", "`[1]` is NaN, which is not a number in JSON"),
            ("return {a = '\\255'}", "`a` is a string that is not UTF-8; `base64` makes it text"),
            ("local t = {} t.a = {t} return t", "`a[1]` contains itself"),
            ("return {1, 2, x = 3}", "the value has the key `x`: a table is a list"),
            ("return {[3] = 1}", "the value has the key 3: a table is a list"),
            ("return {[true] = 1}", "the value has the key true: a table is a list"),
            ("return {1, nil, nil, 4}", "`[2]` is a hole in a list (nil), which JSON cannot hold"),
            ("local t = {} for _ = 1, 100 do t = {t} end return t", "is nested deeper than 100 levels"),
            ("local t = {} for _ = 1, 40 do t = {t, t} end return t", "more than 1000000 parts"),
        ] {
            let error = json(lua).unwrap_err();
            assert!(error.contains(expected), "{lua}: {error}");
        }
    }

    #[test]
    fn the_deepest_allowed_value_has_json() {
        let deep = json("local t = {} for _ = 1, 99 do t = {t} end return t").unwrap();
        assert_eq!(deep, format!("{}{{}}{}", "[".repeat(99), "]".repeat(99)));
    }

    #[test]
    fn json_comes_back_as_it_went_in() {
        let vm = Lua::new();
        let walker = Walker::new(&vm).unwrap();
        let text = r#"{"a":[1,2.5,"x",[],{}],"b":{"c":true}}"#;
        let document: Json = serde_json::from_str(text).unwrap();
        let value = walker.lua(&vm, &document).unwrap();
        assert_eq!(walker.json(&value).unwrap().to_string(), text);
        let without: Json = serde_json::from_str(r#"{"a":null}"#).unwrap();
        let value = walker.lua(&vm, &without).unwrap();
        assert_eq!(walker.json(&value).unwrap().to_string(), "{}");
        let holed: Json = serde_json::from_str(r#"{"a":[1,null]}"#).unwrap();
        let error = walker.lua(&vm, &holed).unwrap_err();
        assert_eq!(error.to_string(), "`a[2]` is null, which a Lua list cannot hold");
    }
}
