//! The Lua state that a pipeline runs in: its libraries, its limits, its names.
//!
//! There is no `io`, `debug`, `coroutine`, `package`, `load` or `string.dump`: the chunks of a repository get an
//! environment that never had them (`lua/prelude.lua`). A hook runs every ten thousand instructions and
//! suspends the code, so that jobs share the thread and a dropped future ends its job; code that cannot be
//! suspended there is ended by an error after a grace. What no hook reaches, a C function, is the watchdog's
//! (see [`super::VmPulse`]).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mlua::chunk::ChunkMode;
use mlua::debug::HookTriggers;
use mlua::{Error, Function, Lua, LuaOptions, StdLib, Table, VmState};

use super::pulse::VmPulse;
use super::script_error::{ChunkNames, place_of};
use super::walk::Walker;
use crate::schema::{PRIMITIVES, SHAPES};
use crate::sys::random;

/// The source of the prelude.
const PRELUDE: &str = include_str!("../../lua/prelude.lua");

/// The prelude in Lua's bytecode, in a process that has compiled it ahead of its VMs.
static COMPILED_PRELUDE: OnceLock<Vec<u8>> = OnceLock::new();

/// Instructions between two runs of the hook.
const HOOK_INTERVAL: u32 = 10_000;

/// The names of Lua that a pipeline may use.
const LUA_GLOBALS: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "error",
    "getmetatable",
    "ipairs",
    "math",
    "next",
    "os",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "require",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "utf8",
    "xpcall",
];

/// Every name that a pipeline may use without declaring it: those of Lua, and the primitives.
pub fn globals() -> impl Iterator<Item = &'static str> {
    LUA_GLOBALS.iter().copied().chain(PRIMITIVES.iter().map(|primitive| primitive.name))
}

/// What one VM may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VmLimits {
    /// The most memory, in bytes.
    pub memory: usize,
    /// The most time for reading the pipeline.
    pub evaluation: Duration,
    /// How long code may run where it cannot be suspended: a callback of `table.sort` or `string.gsub`.
    pub callback_grace: Duration,
}

impl Default for VmLimits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            evaluation: Duration::from_secs(10),
            callback_grace: Duration::from_secs(2),
        }
    }
}

/// The modules that `require` finds, by their names.
pub type Modules = BTreeMap<String, Chunk>;

/// One module: the text of a Lua chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The file it came from, as errors name it: `.quire/ci.fnl`; quire's own begin with `quire/`.
    pub chunk: String,
    /// Lua source; bytecode is refused.
    pub text: String,
}

/// Why the VM could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VmError {
    /// Lua, or the prelude, could not be set up.
    #[error("could not set up the script VM")]
    SetUp(#[source] Error),
}

/// The entry points of the prelude.
pub(super) struct Prelude {
    pub(super) run: Function,
    pub(super) evaluate: Function,
    /// What is in scope of a pipeline.
    #[cfg(test)]
    pub(super) api: Table,
}

/// Makes the Lua state, without limits yet.
pub(super) fn new_state(modules: &Modules, entry: &str) -> mlua::Result<Lua> {
    let libraries =
        StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8 | StdLib::OS | StdLib::COROUTINE;
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    let first = modules.get(entry).into_iter();
    let names = first.chain(modules.values()).map(|module| chunk_name(module).to_owned()).collect();
    lua.set_app_data(ChunkNames(names));
    seed(&lua)?;
    Ok(lua)
}

/// Gives `math.random` a seed. Lua's own is made of the time in seconds and of addresses, which copies of one process share.
fn seed(lua: &Lua) -> mlua::Result<()> {
    let seed = random::unguessable::<8>().map_err(mlua::Error::external)?;
    let math: Table = lua.globals().get("math")?;
    math.get::<Function>("randomseed")?.call(i64::from_ne_bytes(seed))
}

/// Compiles the prelude for all VMs of this process, and of the copies of it.
pub(crate) fn compile_prelude() {
    // What goes wrong here goes wrong again for each VM, which says so.
    let Ok(lua) = Lua::new_with(StdLib::NONE, LuaOptions::default()) else { return };
    let Ok(prelude) = prelude_text(&lua).into_function() else { return };
    // Compiled twice, it is the same.
    let _was_there = COMPILED_PRELUDE.set(prelude.dump(false)).is_err();
}

fn prelude_text(lua: &Lua) -> mlua::chunk::Chunk<'static> {
    lua.load(PRELUDE).set_name("=quire").set_mode(ChunkMode::Text)
}

/// Runs the prelude over the raw functions.
pub(super) fn load_prelude(lua: &Lua, host: &Table, walker: &Walker) -> mlua::Result<Prelude> {
    let primitives = lua.create_table()?;
    for primitive in PRIMITIVES {
        let Some(mode) = primitive.call.mode() else { continue };
        let entry = lua.create_table()?;
        entry.raw_set("name", primitive.name)?;
        entry.raw_set("mode", mode)?;
        entry.raw_set("workaround", primitive.call.workaround())?;
        primitives.raw_push(entry)?;
    }
    let chunk = match COMPILED_PRELUDE.get() {
        Some(bytecode) => lua.load(bytecode.as_slice()).set_mode(ChunkMode::Binary),
        None => prelude_text(lua),
    };
    let (run, evaluate, _api): (Function, Function, Table) =
        chunk.call((host, &walker.failed, &walker.late, primitives, shapes(lua)?))?;
    Ok(Prelude {
        run,
        evaluate,
        #[cfg(test)]
        api: _api,
    })
}

/// The fields of each shape, as sets by its name.
pub(super) fn shapes(lua: &Lua) -> mlua::Result<Table> {
    let shapes = lua.create_table()?;
    for shape in SHAPES {
        let fields = shape.fields().into_iter().map(|field| (field, true));
        shapes.raw_set(shape.name, lua.create_table_from(fields)?)?;
    }
    Ok(shapes)
}

/// Loads a module's text into the environment of pipelines.
pub(super) fn load_module(lua: &Lua, module: &Chunk, env: Table) -> mlua::Result<Function> {
    lua.load(module.text.as_str())
        .set_name(format!("@{}", chunk_name(module)))
        .set_mode(ChunkMode::Text)
        .set_environment(env)
        .into_function()
}

/// Sets the memory limit and the hook.
pub(super) fn limit(lua: &Lua, limits: VmLimits, pulse: &Arc<VmPulse>) -> mlua::Result<()> {
    let pulse = Arc::clone(pulse);
    let triggers = HookTriggers::new().every_nth_instruction(HOOK_INTERVAL);
    lua.set_global_hook(triggers, move |lua, debug| {
        if let Some(place) = place_of(debug) {
            pulse.note(place);
        }
        if pulse.must_end(limits.callback_grace) {
            // The script may catch this error, and then the next one an instruction later, and so on, until
            // its last frame is gone.
            let every = HookTriggers::new().every_nth_instruction(1);
            // Not `current_thread`, which is the thread that owns a coroutine of `call_async`.
            lua.set_hook(every, |_, _| Err(stuck()))?;
            return Err(stuck());
        }
        Ok(VmState::Yield)
    })?;
    lua.set_memory_limit(limits.memory)?;
    Ok(())
}

/// The text of the error that ends code which cannot be suspended.
pub(super) const STUCK: &str =
    "a callback of table.sort, string.gsub or a metamethod ran too long without coming back";

fn stuck() -> Error {
    Error::RuntimeError(STUCK.to_owned())
}

fn chunk_name(module: &Chunk) -> &str {
    module.chunk.strip_prefix('@').unwrap_or(&module.chunk)
}
