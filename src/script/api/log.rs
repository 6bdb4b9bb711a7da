//! `log` and `print`: lines for people. And the text of values, for them and for errors.

use std::sync::Arc;

use mlua::{Lua, LuaString, Table, Value};

use super::Shared;
use crate::script::script_error::capture;

/// The most lines of one call: all of them are written before the VM's thread does anything else.
const MAX_LINES: usize = 100_000;

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let logger = Arc::clone(shared);
    let log = lua.create_function(move |_, (job, text): (Option<String>, LuaString)| {
        let bytes = text.as_bytes();
        let ended = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if ended.split(|byte| *byte == b'\n').nth(MAX_LINES).is_some() {
            return Ok(Some(format!("a text of more than {MAX_LINES} lines cannot be logged at once")));
        }
        for line in ended.split(|byte| *byte == b'\n') {
            logger.host.log(job.as_deref(), line);
        }
        Ok(None)
    })?;
    table.raw_set("log", log)?;
    let walker = shared.walker.clone();
    let show = lua
        .create_function(move |_, value: Value| Ok(walker.json(&value).ok().map(|json| json.to_string())))?;
    table.raw_set("show", show)?;
    let capture = lua.create_function(|lua, (problem, span): (Value, Option<String>)| {
        Ok(capture(lua, &problem, span.as_deref()))
    })?;
    table.raw_set("capture", capture)
}
