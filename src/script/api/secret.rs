//! `secret`: a declared value. The host decides which job may have which.

use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::{Answer, Shared, kind, text};

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let shared = Arc::clone(shared);
    let secret = lua.create_function(move |lua, (job, name): (String, Value)| {
        let Some(name) = text(&name) else {
            return Ok(Answer::Refused(format!("`secret`: expected a name, got {}", kind(&name))));
        };
        match shared.host.secret(&job, &name) {
            Ok(value) => Ok(Answer::Given(lua.create_string(value)?)),
            Err(error) => Ok(Answer::from(error)),
        }
    })?;
    table.raw_set("secret", secret)
}
