//! `sh`: one step of a job, on the host or in the job's image.

use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::{Shared, step};
use crate::schema::pipeline::STEP;

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let shared = Arc::clone(shared);
    type Arguments = (String, Option<String>, Value, Value);
    let sh = lua.create_async_function(move |lua, (job, span, command, options): Arguments| {
        let place = step::place(&lua, span.as_deref());
        let call = step::read(&STEP, &command, &options, place.line(), |_| ());
        let asked = call.map(|(call, ())| (call.check, shared.host.sh(&job, call)));
        async move { step::answer(&lua, asked, place).await }
    })?;
    table.raw_set("sh", sh)
}
