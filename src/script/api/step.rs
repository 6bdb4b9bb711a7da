//! What the primitives that run a step share: their options, their commands, and what they give back.

use mlua::{Lua, Table, Value};

use super::options::{Options, argument};
use super::{Answer, bytes, kind};
use crate::script::host::{Command, HostFuture, ShCall, StepResult};
use crate::script::job_call::{StepFailure, StepFault};
use crate::script::script_error::{Place, current_place, line_of_span};

/// The options that every step knows.
pub(super) const KNOWN: [&str; 6] = ["env", "cwd", "input", "timeout", "name", "check"];

/// Reads what is common to all steps.
pub(super) fn read(
    of: &'static str,
    command: &Value,
    options: &Options<'_>,
    line: Option<u32>,
) -> Result<ShCall, String> {
    Ok(ShCall {
        command: read_command(of, command)?,
        env: options.variables("env")?,
        cwd: options.text("cwd")?,
        input: options.bytes("input")?,
        timeout: options.duration("timeout")?,
        name: options.text("name")?,
        check: options.flag("check")?,
        line,
    })
}

fn read_command(of: &str, value: &Value) -> Result<Command, String> {
    let nul = || Err(format!("a command of {of} must not have a NUL byte"));
    if let Some(text) = bytes(value) {
        if text.trim_ascii().is_empty() {
            return Err(format!("the command of {of} is empty"));
        }
        return if text.contains(&0) { nul() } else { Ok(Command::Shell(text)) };
    }
    let Value::Table(table) = value else {
        return Err(format!("{of} wants a string or a list of arguments, got {}", kind(value)));
    };
    let length = table.raw_len();
    if length == 0 {
        return Err(format!("the list of arguments of {of} is empty"));
    }
    let mut argv = Vec::with_capacity(length);
    for place in 1..=length {
        let item: Value = table.raw_get(place).unwrap_or(Value::Nil);
        let Some(item) = argument(&item) else {
            return Err(format!("argument {place} of {of} wants a string or a number, got {}", kind(&item)));
        };
        if item.contains(&0) {
            return nul();
        }
        argv.push(item);
    }
    if argv.first().is_none_or(Vec::is_empty) {
        return Err(format!("the program of {of} is empty"));
    }
    Ok(Command::Argv(argv))
}

/// A step that was asked for: its `:check`, and its end.
pub(super) type Asked = Result<(Option<bool>, HostFuture<StepResult>), String>;

/// Waits for a step, and gives what the prelude gets of it: the result as the script sees it, and what is kept about it.
pub(super) async fn answer(
    lua: &Lua,
    asked: Asked,
    place: CallPlace,
) -> mlua::Result<Answer<(Table, Table)>> {
    let (check, running) = match asked {
        Ok(asked) => asked,
        Err(problem) => return Ok(Answer::Refused(problem)),
    };
    Ok(match running.await {
        Ok(result) => Answer::Given((visible(lua, &result)?, hidden(lua, result, check, place.known())?)),
        Err(error) => Answer::from(error),
    })
}

/// Where a step was called, as far as that is known.
pub(super) struct CallPlace {
    place: Option<Place>,
    line: Option<u32>,
}

impl CallPlace {
    /// The line of the call.
    pub(super) fn line(&self) -> Option<u32> {
        self.line
    }

    /// The place, when file and line are known.
    pub(super) fn known(self) -> Option<Place> {
        self.place.zip(self.line).map(|(place, line)| Place { line, ..place })
    }
}

/// Looks where the primitive was called. The stack is the caller's only now, not when a future is polled.
pub(super) fn place(lua: &Lua, span: Option<&str>) -> CallPlace {
    let place = current_place(lua);
    let line = span.and_then(line_of_span).or(place.as_ref().map(|place| place.line));
    CallPlace { place, line }
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
