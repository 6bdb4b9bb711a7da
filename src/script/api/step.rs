//! What the primitives that run a step share: their options, their commands, and what they give back.

use mlua::{Lua, MetaMethod, Table, UserData, UserDataMethods, Value};

use super::Answer;
use crate::schema::{Fields, Mistakes, Options};
use crate::script::host::{Command, HostFuture, ShCall, StepResult};
use crate::script::job_call::{StepFailure, StepFault};
use crate::script::lua_node;
use crate::script::script_error::{Place, current_place, line_of_span, only_file};
use crate::sys::kept_output::{KeptOutput, is_much_in_files};

/// Reads a command and its options; `more` reads those that not every step has.
pub(super) fn read<T>(
    options: &'static Options,
    command: &Value,
    given: &Value,
    line: Option<u32>,
    more: impl FnOnce(&Fields<'_>) -> T,
) -> Result<(ShCall, T), String> {
    let command = Command::read(&lua_node::read(command));
    let command = command.map_err(|wrong| format!("{}: {}", options.of, wrong.message))?;
    let given = lua_node::read_options(given);
    let mistakes = Mistakes::default();
    let call = Fields::open(&given, options, &mistakes).map(|fields| {
        let call = ShCall {
            command,
            env: fields.variables("env"),
            cwd: fields.text("cwd"),
            input: fields.bytes("input"),
            timeout: fields.duration("timeout"),
            name: fields.text("name"),
            check: fields.flag("check"),
            line,
        };
        (call, more(&fields))
    });
    match (mistakes.into_text(), call) {
        (None, Some(call)) => Ok(call),
        (problem, _) => Err(problem.unwrap_or_default()),
    }
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
    let found = current_place(lua);
    let line = span.and_then(line_of_span).or(found.as_ref().map(|place| place.line));
    // A call in tail position has replaced the frame of its caller. Of one file there is no doubt.
    let place = found.or_else(|| Some(Place { file: only_file(lua)?, line: line? }));
    CallPlace { place, line }
}

/// The part of a result that a script always sees; `exit` and `ok` are the prelude's.
fn visible(lua: &Lua, result: &StepResult) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 6)?;
    for (name, kept) in outputs(result).into_iter().filter(|(_, kept)| !kept.is_in_file()) {
        table.raw_set(name, lua.create_string(kept.read()?)?)?;
    }
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

/// The outputs of a step, by their names in its result.
fn outputs(result: &StepResult) -> [(&'static str, &KeptOutput); 2] {
    [("stdout", &result.stdout), ("stderr", &result.stderr)]
}

/// The outputs that are read when the script asks for them.
fn late(lua: &Lua, result: &StepResult) -> mlua::Result<Option<Table>> {
    let mut late = outputs(result).into_iter().filter(|(_, kept)| kept.is_in_file()).peekable();
    if late.peek().is_none() {
        return Ok(None);
    }
    if is_much_in_files() {
        // Lua does not know what its garbage holds.
        lua.gc_collect()?;
    }
    lua.create_table_from(late.map(|(name, kept)| (name, LateText(kept.clone())))).map(Some)
}

/// A large output, which becomes a string when it is called.
pub(in crate::script) struct LateText(pub(in crate::script) KeptOutput);

impl UserData for LateText {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Call, |lua, this, ()| lua.create_string(this.0.read()?));
    }
}

/// What the prelude keeps about a step.
fn hidden(lua: &Lua, result: StepResult, check: Option<bool>, place: Option<Place>) -> mlua::Result<Table> {
    let late = late(lua, &result)?;
    let failure = StepFailure {
        step: result.step,
        title: result.title,
        exit: result.exit,
        signal: result.signal,
        timed_out: result.timed_out,
        place,
        fault: StepFault::Checked,
        then: None,
    };
    let table = lua.create_table_with_capacity(0, 10)?;
    table.raw_set("late", late)?;
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
