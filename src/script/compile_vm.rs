//! The Lua VM that holds the Fennel compiler and nothing of the host.
//!
//! Macros are code of the repository and run in it, so it has no files but those it is given, no processes, no
//! environment, no `debug`, no bytecode, and limits on memory and time. It is made for one compilation and dropped
//! after it. A C function that does not return (a pattern with exponential cost) is not stopped here: who compiles gives
//! a [`VmPulse`](super::VmPulse), and watches it from another thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, Table, VmState};

use super::fennel::FENNEL;

/// How much a compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of the VM's heap, the compiler's own 700 KiB included.
    pub(crate) memory: usize,
    /// Time from the start of the VM, loading the compiler included.
    pub(crate) time: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { memory: 128 * 1024 * 1024, time: Duration::from_secs(10) }
    }
}

/// Why the compile VM did not answer.
#[derive(Debug, thiserror::Error)]
pub enum CompileVmError {
    /// Code that runs at compile time did not come to an end.
    #[error("compiling did not end within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// Code that runs at compile time used too much memory.
    #[error("compiling needed more than {} KiB of memory", .0 / 1024)]
    OutOfMemory(usize),
    /// The compiler itself failed; a mistake in a pipeline does not end here.
    #[error("the Fennel compiler failed")]
    Broken(#[source] mlua::Error),
}

/// Instructions between two looks at the clock.
const CLOCK_INSTRUCTIONS: u32 = 10_000;

/// The Lua side, each file a function of its arguments.
const CHUNKS: [(&str, &str); 8] = [
    ("positions", include_str!("../../lua/positions.lua")),
    ("report", include_str!("../../lua/report.lua")),
    ("parse", include_str!("../../lua/parse.lua")),
    ("lines", include_str!("../../lua/lines.lua")),
    ("call_spans", include_str!("../../lua/call_spans.lua")),
    ("shapes", include_str!("../../lua/shapes.lua")),
    ("compiler", include_str!("../../lua/compiler.lua")),
    ("data", include_str!("../../lua/data.lua")),
];

/// What removes the host from the VM, before anything else runs.
const ENVIRONMENT: &str = include_str!("../../lua/compile_env.lua");

/// What puts the chunks together.
const DRIVER: &str = include_str!("../../lua/driver.lua");

/// A VM with the compiler loaded.
pub(super) struct CompileVm {
    lua: Lua,
    limits: CompileLimits,
    expired: Arc<AtomicBool>,
    /// The table that `lua/driver.lua` returns.
    pub(super) driver: Table,
    /// The set of files that macros and the compiler opened.
    pub(super) opened: Table,
}

impl CompileVm {
    /// Starts a VM that can read these files, and no others.
    pub(super) fn start(
        files: &BTreeMap<String, String>,
        limits: CompileLimits,
    ) -> Result<Self, CompileVmError> {
        let expired = Arc::new(AtomicBool::new(false));
        let lua = bare(limits, &expired).map_err(CompileVmError::Broken)?;
        let loaded = load(&lua, files);
        let (driver, opened) = loaded.map_err(|error| judge(error, limits, &expired))?;
        Ok(Self { lua, limits, expired, driver, opened })
    }

    /// Does something in the VM under its limits.
    pub(super) fn run<R>(&self, action: impl FnOnce(&Lua) -> mlua::Result<R>) -> Result<R, CompileVmError> {
        let result = action(&self.lua).map_err(|error| judge(error, self.limits, &self.expired))?;
        // Code that swallowed the stop has still overrun.
        if self.expired.load(Ordering::Relaxed) {
            return Err(CompileVmError::TimedOut(self.limits.time));
        }
        Ok(result)
    }
}

/// A VM without the host, with its limits set.
fn bare(limits: CompileLimits, expired: &Arc<AtomicBool>) -> mlua::Result<Lua> {
    let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH | StdLib::UTF8 | StdLib::OS;
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    let _previous = lua.set_memory_limit(limits.memory)?;
    let deadline = Instant::now().checked_add(limits.time);
    let expired = Arc::clone(expired);
    lua.set_hook(HookTriggers::new().every_nth_instruction(CLOCK_INSTRUCTIONS), move |lua, _| {
        if deadline.is_none_or(|deadline| Instant::now() < deadline) {
            return Ok(VmState::Continue);
        }
        expired.store(true, Ordering::Relaxed);
        // From now on every instruction fails, so that no pcall and no loop of pcalls gets anywhere.
        lua.set_hook(HookTriggers::new().every_nth_instruction(1), |_, _| Err(out_of_time()))?;
        Err(out_of_time())
    })?;
    Ok(lua)
}

fn out_of_time() -> mlua::Error {
    mlua::Error::runtime("out of time")
}

/// Loads environment, compiler and driver; returns the driver and the set of opened files.
fn load(lua: &Lua, files: &BTreeMap<String, String>) -> mlua::Result<(Table, Table)> {
    let chunk = |name: &str, text: &str| -> mlua::Result<Function> {
        lua.load(text).set_name(format!("@lua/{name}.lua")).set_mode(ChunkMode::Text).into_function()
    };
    let texts = lua.create_table()?;
    for (path, text) in files {
        texts.raw_set(path.as_str(), text.as_str())?;
    }
    let opened = lua.create_table()?;
    chunk("compile_env", ENVIRONMENT)?.call::<()>((&texts, &opened))?;
    let fennel: Table = chunk("fennel", FENNEL)?.call("fennel")?;
    let chunks = lua.create_table()?;
    for (name, text) in CHUNKS {
        chunks.raw_set(name, chunk(name, text)?)?;
    }
    let driver = chunk("driver", DRIVER)?.call((fennel, chunks, texts))?;
    Ok((driver, opened))
}

/// What an error of the VM means.
fn judge(error: mlua::Error, limits: CompileLimits, expired: &AtomicBool) -> CompileVmError {
    if expired.load(Ordering::Relaxed) {
        CompileVmError::TimedOut(limits.time)
    } else if matches!(error, mlua::Error::MemoryError(_)) || error.to_string().contains("not enough memory")
    {
        CompileVmError::OutOfMemory(limits.memory)
    } else {
        CompileVmError::Broken(error)
    }
}
