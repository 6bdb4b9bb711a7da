//! `container`: one step of a job, in a container of its own.

use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::options::Options;
use super::{Shared, kind, step, text};
use crate::script::container_options::{ContainerOptions, unknown};
use crate::script::host::ContainerCall;
use crate::script::option_value::OptionValue;

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let shared = Arc::clone(shared);
    type Arguments = (String, Value, Value, Value, Option<String>);
    let container = lua.create_async_function(move |lua, arguments: Arguments| {
        let (job, image, command, options, span) = arguments;
        // The stack is the caller's only now, not when the future is polled.
        let place = step::place(&lua, span.as_deref());
        let line = place.line();
        let call = read(&image, &command, &options, line);
        let asked = call.map(|call| (call.step.check, shared.host.container(&job, call)));
        async move { step::answer(&lua, asked, place).await }
    })?;
    table.raw_set("container", container)
}

fn read(image: &Value, command: &Value, options: &Value, line: Option<u32>) -> Result<ContainerCall, String> {
    let Some(image) = text(image) else {
        return Err(format!("container wants the name of an image first, got {}", kind(image)));
    };
    if command.is_nil() {
        return Err("container wants a command after the image: a string or a list of arguments".to_owned());
    }
    let mut container = ContainerOptions::default();
    if let Value::Table(table) = options {
        let mut named = Vec::new();
        for (key, value) in table.pairs::<Value, Value>().flatten() {
            let Some(name) = text(&key) else {
                return Err(format!("the options of container have names, got {} as a key", kind(&key)));
            };
            named.push((name, value));
        }
        // Always in the same order, as decisions about them are.
        named.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, value) in named {
            if ContainerOptions::knows(&name) {
                let set = container.set(&name, &OptionValue::read(&value));
                set.map_err(|problem| format!("container: {problem}"))?;
            } else if !step::KNOWN.contains(&name.as_str()) {
                return Err(unknown(&name, "container", &step::KNOWN));
            }
        }
    }
    let options = Options::of_step("container", options)?;
    let step = step::read("container", command, &options, line)?;
    Ok(ContainerCall { image, options: container, step })
}
