//! `sh`: one step of a job.

use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::options::{Options, argument};
use super::{Answer, Shared, bytes, kind};
use crate::script::host::{Command, ShCall, StepResult};
use crate::script::job_call::{StepFailure, StepFault};
use crate::script::script_error::{Place, current_place, line_of_span};

/// The options that `sh` knows.
const KNOWN: &[&str] = &["env", "cwd", "input", "timeout", "name", "check"];

pub(super) fn install(lua: &Lua, table: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    let shared = Arc::clone(shared);
    type Arguments = (String, Value, Value, Option<String>);
    let sh = lua.create_async_function(move |lua, (job, command, options, span): Arguments| {
        // The stack is the caller's only now, not when the future is polled.
        let place = current_place(&lua);
        let line = span.as_deref().and_then(line_of_span).or(place.as_ref().map(|place| place.line));
        let place = place.zip(line).map(|(place, line)| Place { line, ..place });
        let asked = read_call(&command, &options, line).map(|call| (call.check, shared.host.sh(&job, call)));
        async move {
            let (check, step) = match asked {
                Ok(asked) => asked,
                Err(problem) => return Ok(Answer::Refused(problem)),
            };
            match step.await {
                Ok(result) => {
                    Ok(Answer::Given((visible(&lua, &result)?, hidden(&lua, result, check, place)?)))
                }
                Err(error) => Ok(Answer::from(error)),
            }
        }
    })?;
    table.raw_set("sh", sh)
}

fn read_call(command: &Value, options: &Value, line: Option<u32>) -> Result<ShCall, String> {
    let command = read_command(command)?;
    let options = Options::read("sh", options, KNOWN)?;
    Ok(ShCall {
        command,
        env: options.variables("env")?,
        cwd: options.text("cwd")?,
        input: options.bytes("input")?,
        timeout: options.duration("timeout")?,
        name: options.text("name")?,
        check: options.flag("check")?,
        line,
    })
}

fn read_command(value: &Value) -> Result<Command, String> {
    let nul = || Err("a command of sh must not have a NUL byte".to_owned());
    if let Some(text) = bytes(value) {
        if text.trim_ascii().is_empty() {
            return Err("the command of sh is empty".to_owned());
        }
        return if text.contains(&0) { nul() } else { Ok(Command::Shell(text)) };
    }
    let Value::Table(table) = value else {
        return Err(format!("sh wants a string or a list of arguments, got {}", kind(value)));
    };
    let length = table.raw_len();
    if length == 0 {
        return Err("the list of arguments of sh is empty".to_owned());
    }
    let mut argv = Vec::with_capacity(length);
    for place in 1..=length {
        let item: Value = table.raw_get(place).unwrap_or(Value::Nil);
        let Some(item) = argument(&item) else {
            return Err(format!("argument {place} of sh wants a string or a number, got {}", kind(&item)));
        };
        if item.contains(&0) {
            return nul();
        }
        argv.push(item);
    }
    if argv.first().is_none_or(Vec::is_empty) {
        return Err("the program of sh is empty".to_owned());
    }
    Ok(Command::Argv(argv))
}

/// The part of a result that a script always sees; `exit` and `ok` are the prelude's.
fn visible(lua: &Lua, result: &StepResult) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 6)?;
    table.raw_set("stdout", lua.create_string(&result.stdout)?)?;
    table.raw_set("stderr", lua.create_string(&result.stderr)?)?;
    table.raw_set("duration", result.duration.as_secs_f64())?;
    if let Some(signal) = result.signal {
        table.raw_set("signal", signal)?;
    }
    if result.truncated {
        table.raw_set("truncated", true)?;
    }
    if result.timed_out {
        table.raw_set("timed-out", true)?;
    }
    Ok(table)
}

/// What the prelude keeps about a step.
fn hidden(lua: &Lua, result: StepResult, check: Option<bool>, place: Option<Place>) -> mlua::Result<Table> {
    let failure = StepFailure {
        step: result.step,
        title: result.title,
        exit: result.exit,
        signal: result.signal,
        timed_out: result.timed_out,
        place,
        fault: StepFault::Checked,
    };
    let table = lua.create_table_with_capacity(0, 9)?;
    table.raw_set("exit", failure.exit)?;
    table.raw_set("check", check)?;
    if failure.exit != 0 {
        table.raw_set("text", failure.event())?;
        table.raw_set("number", failure.step)?;
        table.raw_set("title", failure.title)?;
        table.raw_set("signal", failure.signal)?;
        table.raw_set("timed-out", failure.timed_out)?;
        let (file, line) = failure.place.map(|place| (place.file, place.line)).unzip();
        table.raw_set("file", file)?;
        table.raw_set("line", line)?;
    }
    Ok(table)
}
