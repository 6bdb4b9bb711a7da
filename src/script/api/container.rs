//! `container`: one step of a job, in a container of its own.

use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::{Shared, kind, step, text};
use crate::schema::pipeline::CONTAINER;
use crate::script::container_options::ContainerOptions;
use crate::script::host::ContainerCall;

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let shared = Arc::clone(shared);
    type Arguments = (String, Option<String>, Value, Value, Value);
    let container = lua.create_async_function(move |lua, arguments: Arguments| {
        let (job, span, image, command, options) = arguments;
        let place = step::place(&lua, span.as_deref());
        let call = read(&image, &command, &options, place.line());
        let asked = call.map(|call| (call.step.check, shared.host.container(&job, call)));
        async move { step::answer(&lua, asked, place).await }
    })?;
    table.raw_set("container", container)
}

fn read(image: &Value, command: &Value, options: &Value, line: Option<u32>) -> Result<ContainerCall, String> {
    let Some(image) = text(image) else {
        return Err(format!("`container`: expected the name of an image first, got {}", kind(image)));
    };
    let (step, options) = step::read(&CONTAINER, command, options, line, ContainerOptions::read)?;
    Ok(ContainerCall { image, options, step })
}
