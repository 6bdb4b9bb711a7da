//! Compiles a pipeline: `.quire/ci.fnl`, the modules of `.quire/lib`, and quire's own modules that are written in
//! Fennel, to Lua text.
//!
//! Nothing of the pipeline is executed but its macros, in a VM of their own. All mistakes of all files are found at
//! once.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlua::{Lua, Table};

use crate::model::{Diagnostic, Severity};

use super::bundle::{Bundle, Module};
use super::compile_error::{Context, Mistake, arrange, mistakes};
use super::compile_vm::{CompileLimits, CompileVm, CompileVmError};
use super::foreign_text::{Repaired, other_language, repaired};
use super::pulse::VmPulse;
use super::sandbox::shapes;
use super::script_error::Place;
use super::sources::{Kind, Sources, Unit};
use crate::schema::{Call, PRIMITIVES, Status, binding_words};

/// How to compile.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompileOptions<'a> {
    /// The global names that a pipeline may use.
    pub(crate) globals: &'a [&'a str],
    /// Modules that the run VM provides itself; requiring others that are not in the sources is a mistake.
    pub(crate) host_modules: &'a [&'a str],
    /// What macros may use.
    pub(crate) limits: CompileLimits,
    /// Where another thread can see how long it takes, and where it is.
    pub(crate) pulse: Option<&'a Arc<VmPulse>>,
}

/// Why no bundle was made.
#[derive(Debug, thiserror::Error)]
pub enum CompileFailure {
    /// The files have mistakes: at least one, in the order of files and lines.
    #[error("the pipeline has {} mistakes", .0.len())]
    Invalid(Vec<Diagnostic>),
    /// Macros ran into a limit, or the compiler failed.
    #[error(transparent)]
    Vm(#[from] CompileVmError),
}

/// Compiles all files of a pipeline.
///
/// # Errors
/// Gives the mistakes in the files, or says which limit code that runs at compile time exceeded.
pub fn compile(sources: &Sources, options: &CompileOptions<'_>) -> Result<Bundle, CompileFailure> {
    let _watched = options.pulse.map(|pulse| pulse.begin(0));
    let mut broken = Vec::new();
    let units = sources.units(&mut broken);
    let mut files = BTreeMap::new();
    for unit in &units {
        if let Some(text) = &unit.text {
            files.insert(unit.path.clone(), text.clone());
        }
    }
    let known: Vec<&str> =
        units.iter().filter_map(Unit::module_name).chain(options.host_modules.iter().copied()).collect();
    let mut attempt = Attempt::new(&files, &units, &known, options)?;
    // Text of another language is replaced, so that what is left has only mistakes of its own.
    let foreign = foreign_mistakes(&attempt.compiled.mistakes, &files);
    if !foreign.is_empty() {
        let mut mended = files.clone();
        for (path, repaired) in foreign {
            broken.extend(repaired.mistakes);
            mended.insert(path, repaired.text);
        }
        let mend = |unit: &Unit| Unit {
            text: unit.text.as_ref().and_then(|_| mended.get(&unit.path).cloned()),
            ..unit.clone()
        };
        let units: Vec<Unit> = units.iter().map(mend).collect();
        attempt = Attempt::new(&mended, &units, &known, options)?;
    }
    let context = Context {
        files: &files,
        entry: &sources.entry.path,
        words: attempt.words.iter().map(String::as_str).chain(options.globals.iter().copied()).collect(),
        modules: known,
    };
    let compiled = attempt.compiled;
    broken.extend(compiled.mistakes.iter().map(|mistake| context.diagnostic(mistake, Severity::Error)));
    let warnings =
        compiled.warnings.iter().map(|mistake| context.diagnostic(mistake, Severity::Warning)).collect();
    match (broken.is_empty(), compiled.entry) {
        (true, Some(entry)) => {
            Ok(Bundle { entry, modules: compiled.modules, warnings: arrange(warnings, context.entry) })
        }
        _ => Err(CompileFailure::Invalid(arrange(broken, context.entry))),
    }
}

/// The files with mistakes that have text of another language, with that replaced. A file that is no Fennel at all is left out.
fn foreign_mistakes(mistakes: &[Mistake], files: &BTreeMap<String, String>) -> Vec<(String, Repaired)> {
    let is_mistaken = |path: &str| mistakes.iter().any(|mistake| mistake.file == path);
    let repair = |(path, text): (&String, &String)| {
        let repaired = match other_language(path, text) {
            Some(mistake) => Some(Repaired { text: String::new(), mistakes: vec![mistake] }),
            None => repaired(path, text),
        };
        repaired.map(|repaired| (path.clone(), repaired))
    };
    files.iter().filter(|(path, _)| is_mistaken(path) && !path.ends_with(".lua")).filter_map(repair).collect()
}

/// One compilation of all files.
struct Attempt {
    compiled: Compiled,
    /// The names of special forms and macros.
    words: Vec<String>,
}

impl Attempt {
    fn new(
        files: &BTreeMap<String, String>,
        units: &[Unit],
        known: &[&str],
        options: &CompileOptions<'_>,
    ) -> Result<Self, CompileVmError> {
        let vm = CompileVm::start(files, options.limits)?;
        let compiled = compile_units(&vm, units, known, options)?;
        let words = vm.run(|_| vm.driver.get::<mlua::Function>("words")?.call(()))?;
        Ok(Self { compiled, words })
    }
}

/// What the VM made of the files.
struct Compiled {
    entry: Option<Module>,
    modules: Vec<Module>,
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
}

/// Compiles each file that is not a macro module.
fn compile_units(
    vm: &CompileVm,
    units: &[Unit],
    known: &[&str],
    options: &CompileOptions<'_>,
) -> Result<Compiled, CompileVmError> {
    let work: Table = vm.run(|lua| {
        let modules = lua.create_table()?;
        for name in known {
            modules.raw_set(*name, true)?;
            modules.raw_set(format!("lib.{name}"), true)?;
        }
        let pulse = options.pulse.map(Arc::clone);
        let at = lua.create_function(move |_, (file, line): (String, u32)| {
            if let Some(pulse) = &pulse {
                pulse.note(Place { file, line });
            }
            Ok(())
        })?;
        let marked = lua.create_table()?;
        for primitive in PRIMITIVES.iter().filter(|primitive| primitive.call.is_marked()) {
            marked.raw_set(primitive.name, true)?;
        }
        let compiler = vm.driver.get::<mlua::Function>("compiler")?;
        let setup = lua.create_table()?;
        setup.raw_set("allowed", options.globals.to_vec())?;
        setup.raw_set("modules", modules)?;
        setup.raw_set("at", at)?;
        setup.raw_set("marked", marked)?;
        setup.raw_set("known", known_names(lua)?)?;
        setup.raw_set("binding", lua.create_table_from(binding_words().map(|word| (word, true)))?)?;
        compiler.call(setup)
    })?;
    let (mut entry, mut modules) = (None, Vec::new());
    for unit in units {
        let Some(lua) = compile_unit(vm, &work, unit)? else { continue };
        let module = Module { name: unit.name.clone(), path: unit.path.clone(), lua };
        match unit.kind {
            Kind::Entry => entry = Some(module),
            Kind::Builtin | Kind::Library | Kind::Macros => modules.push(module),
        }
    }
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    let (mut mistakes, warnings) =
        vm.run(|_| Ok((mistakes(&work.get("found")?)?, mistakes(&work.get("warnings")?)?)))?;
    // A file that was read as macros need not be a module as well.
    let macros = vm.run(|_| {
        vm.opened
            .pairs::<String, bool>()
            .map(|pair| pair.map(|(path, _)| path))
            .collect::<mlua::Result<Vec<_>>>()
    })?;
    let library = |path: &str| units.iter().any(|unit| unit.path == path && unit.kind == Kind::Library);
    mistakes.retain(|mistake| !(macros.contains(&mistake.unit) && library(&mistake.unit)));
    Ok(Compiled { entry, modules, mistakes, warnings })
}

/// The names that `lua/shapes.lua` knows.
fn known_names(lua: &Lua) -> mlua::Result<Table> {
    let (names, options, places) = (shapes(lua)?, lua.create_table()?, lua.create_table()?);
    for primitive in PRIMITIVES {
        let (Call::Step, Some(own)) = (primitive.call, primitive.options) else { continue };
        let known = own.all().filter(|field| matches!(field.status, Status::Known | Status::Privileged));
        let known = lua.create_table_from(known.map(|field| (field.name, true)))?;
        options.raw_set(primitive.name, known)?;
        // The options are the last argument, behind the name of the primitive.
        places.raw_set(primitive.name, primitive.arguments.split(' ').count() + 1)?;
    }
    names.raw_set("options", options)?;
    names.raw_set("places", places)?;
    Ok(names)
}

/// The Lua text of one file; nothing for macro modules, files that are not text, and those with mistakes.
fn compile_unit(vm: &CompileVm, work: &Table, unit: &Unit) -> Result<Option<String>, CompileVmError> {
    let Some(text) = &unit.text else { return Ok(None) };
    if unit.kind == Kind::Macros {
        return Ok(None);
    }
    vm.run(|_| {
        if unit.is_lua() {
            let check: mlua::Function = work.get("check_lua")?;
            let valid: bool = check.call((unit.path.as_str(), text.as_str()))?;
            return Ok(valid.then(|| text.clone()));
        }
        work.get::<mlua::Function>("compile")?.call((unit.path.as_str(), unit.name.as_str()))
    })
}
