//! The raw primitives: each checks its arguments, asks the host, and gives back plain values.
//!
//! `lua/prelude.lua` wraps them: it knows which job calls, and keeps the failure rule. A mistake of the user's
//! comes back as nil and a text, which the prelude raises; a third value says that it was quire's (`broken`), or that
//! policy refused it (`denied`).

mod artifact;
mod container;
mod encode;
mod files;
mod log;
mod module;
mod secret;
mod sh;
mod sleep;
mod step;

pub(super) use step::LateText;

use std::sync::{Arc, Mutex};

use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::host::{HostError, JobHost};
use super::lua_node::{self, kind, text};
use super::pulse::VmPulse;
use super::registration::Registry;
use super::sandbox::Modules;
use super::walk::Walker;
use crate::model::Reason;

/// What the primitives of one VM share.
pub(super) struct Shared {
    pub(super) host: Arc<dyn JobHost>,
    pub(super) walker: Walker,
    pub(super) registry: Arc<Mutex<Registry>>,
    pub(super) modules: Modules,
    pub(super) pulse: Arc<VmPulse>,
}

/// The table of raw functions for the prelude.
pub(super) fn install(lua: &Lua, shared: &Arc<Shared>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    sh::install(lua, &table, shared)?;
    container::install(lua, &table, shared)?;
    secret::install(lua, &table, shared)?;
    encode::install(lua, &table, shared)?;
    files::install(lua, &table, shared)?;
    artifact::install(lua, &table, shared)?;
    sleep::install(lua, &table)?;
    log::install(lua, &table, shared)?;
    module::install(lua, &table, shared)?;
    Ok(table)
}

/// What a raw function gives back: values, or a mistake.
enum Answer<T> {
    Given(T),
    Refused(String),
    Denied(Box<Reason>),
    Broken(String),
}

impl<T> From<Result<T, String>> for Answer<T> {
    fn from(result: Result<T, String>) -> Self {
        match result {
            Ok(value) => Self::Given(value),
            Err(problem) => Self::Refused(problem),
        }
    }
}

impl<T> From<HostError> for Answer<T> {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Refused(problem) => Self::Refused(problem),
            HostError::Denied(reason) => Self::Denied(reason),
            HostError::Broken(problem) => Self::Broken(problem),
        }
    }
}

impl<T: IntoLuaMulti> IntoLuaMulti for Answer<T> {
    fn into_lua_multi(self, lua: &Lua) -> mlua::Result<MultiValue> {
        match self {
            Self::Given(value) => value.into_lua_multi(lua),
            Self::Refused(problem) => (Value::Nil, problem.into_lua(lua)?).into_lua_multi(lua),
            Self::Denied(reason) => {
                let detail = serde_json::to_string(&reason).map_err(mlua::Error::external)?;
                (Value::Nil, reason.to_string(), "denied", detail).into_lua_multi(lua)
            }
            Self::Broken(problem) => (Value::Nil, problem.into_lua(lua)?, "broken").into_lua_multi(lua),
        }
    }
}

/// The bytes of a string, or of a number as Lua writes it.
fn argument(value: &Value) -> Option<Vec<u8>> {
    lua_node::read(value).as_argument().ok()
}
