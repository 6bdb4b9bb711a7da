//! `artifact`: files of the workspace are kept with the run.

use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::{Answer, Shared, kind, text};
use crate::schema::pipeline::ARTIFACT;
use crate::schema::{Fields, Mistakes};
use crate::script::artifact_call::ArtifactCall;
use crate::script::host::SavedArtifact;
use crate::script::lua_node;

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let shared = Arc::clone(shared);
    let artifact = lua.create_async_function(move |lua, (job, path, options): (String, Value, Value)| {
        let asked = read(&path, &options).map(|call| shared.host.artifact(&job, call));
        async move {
            let saving = match asked {
                Ok(saving) => saving,
                Err(problem) => return Ok(Answer::Refused(problem)),
            };
            match saving.await {
                Ok(saved) => Ok(Answer::Given(listed(&lua, saved)?)),
                Err(error) => Ok(Answer::from(error)),
            }
        }
    })?;
    table.raw_set("artifact", artifact)
}

fn read(path: &Value, options: &Value) -> Result<ArtifactCall, String> {
    let Some(path) = text(path) else {
        let found = kind(path);
        return Err(format!("`artifact`: expected the path of a file, a folder or a pattern, got {found}"));
    };
    let given = lua_node::read_options(options);
    let mistakes = Mistakes::default();
    let call = Fields::open(&given, &ARTIFACT, &mistakes).map(|fields| ArtifactCall::read(path, &fields));
    match (mistakes.into_text(), call) {
        (None, Some(call)) => Ok(call),
        (problem, _) => Err(problem.unwrap_or_default()),
    }
}

/// A list of tables with name, size and digest.
fn listed(lua: &Lua, saved: Vec<SavedArtifact>) -> mlua::Result<Table> {
    let list = lua.create_table_with_capacity(saved.len(), 0)?;
    for artifact in saved {
        let entry = lua.create_table_with_capacity(0, 3)?;
        entry.raw_set("name", artifact.name)?;
        entry.raw_set("size", i64::try_from(artifact.size).unwrap_or(i64::MAX))?;
        entry.raw_set("sha256", artifact.sha256)?;
        list.raw_push(entry)?;
    }
    Ok(list)
}
