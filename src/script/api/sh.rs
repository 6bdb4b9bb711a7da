//! `sh`: one step of a job, on the host or in the job's image.

use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::options::Options;
use super::{Shared, step};

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let shared = Arc::clone(shared);
    type Arguments = (String, Value, Value, Option<String>);
    let sh = lua.create_async_function(move |lua, (job, command, options, span): Arguments| {
        // The stack is the caller's only now, not when the future is polled.
        let place = step::place(&lua, span.as_deref());
        let line = place.line();
        let call = Options::read("sh", &options, &step::KNOWN)
            .and_then(|options| step::read("sh", &command, &options, line));
        let asked = call.map(|call| (call.check, shared.host.sh(&job, call)));
        async move { step::answer(&lua, asked, place).await }
    })?;
    table.raw_set("sh", sh)
}
