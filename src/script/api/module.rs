//! What the prelude asks about names: modules, members of modules, inputs, and jobs that are declared.

use std::sync::{Arc, PoisonError};

use mlua::{Error, Lua, MultiValue, Table, Value};

use super::{Answer, Shared, kind, text};
use crate::model::{MAX_QUOTED, Quoted, suggest};
use crate::schema::shape_of;
use crate::script::registration;
use crate::script::sandbox::load_module;
use crate::script::script_error::current_place;
use crate::script::unknown_input::{unknown_argument, unknown_input};

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let loader = Arc::clone(shared);
    let load = lua.create_function(move |lua, (name, env): (Value, Table)| {
        let Some(name) = text(&name) else {
            return Ok(Answer::Refused(format!(
                "`require`: expected the name of a module, got {}",
                kind(&name)
            )));
        };
        let Some(module) = loader.modules.get(&name) else {
            return Ok(Answer::Refused(unknown(
                &format!("no module is called {}", Quoted::new(&name)),
                &name,
                loader.modules.keys().map(String::as_str),
            )));
        };
        match load_module(lua, module, env) {
            Ok(chunk) => Ok(Answer::Given(chunk)),
            Err(Error::SyntaxError { message, .. }) => Ok(Answer::Refused(message)),
            Err(other) => Err(other),
        }
    })?;
    table.raw_set("load", load)?;
    let unknown_member = lua.create_function(|_, (module, key, real): (String, Value, Table)| {
        let members: Vec<String> = real.pairs::<String, Value>().flatten().map(|(name, _)| name).collect();
        let key = text(&key).unwrap_or_else(|| kind(&key));
        let head = format!("`{module}` has no member {}", Quoted::new(&key));
        Ok(unknown(&head, &key, members.iter().map(String::as_str)))
    })?;
    table.raw_set("unknown_member", unknown_member)?;
    let unknown_field = lua.create_function(|_, (shape, name): (String, String)| {
        Ok(shape_of(&shape).map(|shape| joined(shape.unknown(&name))))
    })?;
    table.raw_set("unknown_field", unknown_field)?;
    table.raw_set("unknown_argument", lua.create_function(no_argument)?)?;
    let registry = Arc::clone(&shared.registry);
    let unknown_input = lua.create_function(move |_, (job, name, names): (String, Value, Vec<String>)| {
        let Some(name) = text(&name) else {
            return Ok(format!("`jobs`: expected the name of an input, got {}", kind(&name)));
        };
        let registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
        let jobs = registry.registrations.iter().filter_map(|registration| registration.id.as_deref());
        let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(joined(unknown_input(Some(&job), &name, &inputs, jobs)))
    })?;
    table.raw_set("unknown_input", unknown_input)?;
    let (registry, pulse) = (Arc::clone(&shared.registry), Arc::clone(&shared.pulse));
    let register = lua.create_function(move |lua, arguments: MultiValue| {
        let (mut registration, run) = registration::read(arguments.into_iter().collect());
        if let Some(place) = current_place(lua) {
            pulse.note(place.clone());
            (registration.file, registration.line) = (Some(place.file), Some(place.line));
        }
        let id = registration.id.clone();
        let added = registry.lock().unwrap_or_else(PoisonError::into_inner).add(registration, run);
        Ok(Answer::from(added.map(|()| id)))
    })?;
    table.raw_set("register", register)
}

/// The message about a name that is not among the arguments that a job declares.
fn no_argument(_: &Lua, (job, name, declared): (String, String, Table)) -> mlua::Result<String> {
    let mut names: Vec<String> = declared.pairs::<String, Value>().flatten().map(|(name, _)| name).collect();
    names.sort();
    Ok(joined(unknown_argument(Some(&job), &name, names.iter().map(String::as_str))))
}

/// A message and its hint in one line.
fn joined((message, help): (String, String)) -> String {
    let mark = if help.starts_with("write ") { ':' } else { ';' };
    format!("{message}{mark} {help}")
}

/// The most names that an error lists.
const MAX_LISTED: usize = 20;

fn unknown<'a>(head: &str, name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(meant) = suggest(name, names.clone()).filter(|_| name.len() <= MAX_QUOTED) {
        return format!("{head}; did you mean `{meant}`?");
    }
    let listed: Vec<&str> = names.clone().take(MAX_LISTED).collect();
    let more = if names.count() > MAX_LISTED { " …" } else { "" };
    match listed.is_empty() {
        true => format!("{head}; none exist"),
        false => format!("{head}; there are `{}`{more}", listed.join("` `")),
    }
}
