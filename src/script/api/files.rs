//! `read-file` and `write-file`: files of the workspace. The host keeps them inside.

use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::{Answer, Shared, argument, kind, text};

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let reader = Arc::clone(shared);
    let read = lua.create_async_function(move |lua, (job, path): (String, Value)| {
        let asked = path_of("read-file", &path).map(|path| reader.host.read_file(&job, &path));
        async move {
            let file = match asked {
                Ok(file) => file,
                Err(problem) => return Ok(Answer::Refused(problem)),
            };
            match file.await {
                Ok(bytes) => Ok(Answer::Given(lua.create_string(bytes)?)),
                Err(error) => Ok(Answer::from(error)),
            }
        }
    })?;
    table.raw_set("read-file", read)?;
    let writer = Arc::clone(shared);
    let write = lua.create_async_function(move |_, (job, path, content): (String, Value, Value)| {
        let asked = path_of("write-file", &path).and_then(|path| {
            let bytes = argument(&content)
                .ok_or_else(|| format!("`write-file`: expected a string to write, got {}", kind(&content)))?;
            Ok(writer.host.write_file(&job, &path, bytes))
        });
        async move {
            match asked {
                Ok(file) => Ok(file.await.map_or_else(Answer::from, |()| Answer::Given(true))),
                Err(problem) => Ok(Answer::Refused(problem)),
            }
        }
    })?;
    table.raw_set("write-file", write)
}

fn path_of(of: &str, value: &Value) -> Result<String, String> {
    match text(value) {
        None => Err(format!("`{of}`: expected the path of a file, got {}", kind(value))),
        Some(path) if path.is_empty() => Err(format!("`{of}`: the path is empty")),
        Some(path) if path.contains('\0') => Err(format!("`{of}`: the path must not have a NUL byte")),
        Some(path) => Ok(path),
    }
}
