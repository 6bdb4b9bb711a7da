//! The files of a pipeline and the modules that they are.

use std::collections::BTreeMap;

use crate::model::Diagnostic;

use super::source_text::source_text;

/// A file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// The path from the root of the repository: `.quire/ci.fnl`.
    pub(crate) path: String,
    /// The content.
    pub(crate) text: Vec<u8>,
}

/// A module of quire itself that is written in Fennel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuiltinModule {
    /// The name to require it by: `quire.ci`.
    pub(crate) name: String,
    /// Its file in quire's source: `fennel/quire/ci.fnl`; `.fnlm` holds macros.
    pub(crate) path: String,
    /// The content.
    pub(crate) text: String,
}

/// All files that a pipeline is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// `.quire/ci.fnl` or `.quire/ci.lua`.
    pub(crate) entry: SourceFile,
    /// The files in `.quire/lib` that end in `.fnl`, `.fnlm` or `.lua`; others are not looked at.
    pub(crate) lib: Vec<SourceFile>,
    /// quire's own modules.
    pub(crate) builtin: Vec<BuiltinModule>,
}

/// Where modules of a pipeline are.
const LIBRARY: &str = ".quire/lib/";

/// The first line of a macro file that has the ending of a module.
const MACRO_FILE: &str = ";; fennel-ls: macro-file";

/// The bytes of all files together that are read.
const MAX_SOURCES: usize = 8 * 1024 * 1024;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// quire's own module.
    Builtin,
    /// The file that declares the jobs.
    Entry,
    /// A module of the pipeline.
    Library,
    /// A file that is only read at compile time.
    Macros,
}

/// A file with its place among the modules.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) path: String,
    /// The text, unless the bytes are not text.
    pub(super) text: Option<String>,
}

impl Unit {
    /// The name that it can be required by.
    pub(super) fn module_name(&self) -> Option<&str> {
        matches!(self.kind, Kind::Builtin | Kind::Library).then_some(self.name.as_str())
    }

    /// Whether the file is Lua already.
    pub(super) fn is_lua(&self) -> bool {
        self.path.ends_with(".lua")
    }
}

impl Sources {
    /// The files in the order to compile them: quire's own before any code of the pipeline can run in the VM.
    pub(super) fn units(&self, problems: &mut Vec<Diagnostic>) -> Vec<Unit> {
        let mut units: Vec<Unit> = self.builtin.iter().map(builtin_unit).collect();
        let mut lib: Vec<&SourceFile> =
            self.lib.iter().filter(|file| module_of(&file.path).is_some()).collect();
        lib.sort_by(|a, b| a.path.cmp(&b.path));
        let total: usize = self.lib.iter().map(|file| file.text.len()).sum();
        if total > MAX_SOURCES {
            let message =
                format!("the files of {LIBRARY} have {total} bytes, and at most {MAX_SOURCES} are read");
            problems.push(Diagnostic::error(LIBRARY, message));
            lib.clear();
        }
        units.push(unit(Kind::Entry, "ci".to_owned(), &self.entry, problems));
        for file in lib {
            let Some((name, kind)) = module_of(&file.path) else { continue };
            let mut unit = unit(kind, name.to_owned().replace('/', "."), file, problems);
            if unit
                .text
                .as_ref()
                .is_some_and(|text| text.lines().next().is_some_and(|line| line.trim_end() == MACRO_FILE))
            {
                unit.kind = Kind::Macros;
            }
            units.push(unit);
        }
        check_names(&units, problems);
        units
    }
}

fn builtin_unit(module: &BuiltinModule) -> Unit {
    let kind = if module.path.ends_with(".fnlm") { Kind::Macros } else { Kind::Builtin };
    Unit { kind, name: module.name.clone(), path: module.path.clone(), text: Some(module.text.clone()) }
}

fn unit(kind: Kind, name: String, file: &SourceFile, problems: &mut Vec<Diagnostic>) -> Unit {
    let text = source_text(&file.path, &file.text).map_err(|problem| problems.push(problem)).ok();
    Unit { kind, name, path: file.path.clone(), text }
}

/// The name, with slashes, and the kind of a file of the library.
fn module_of(path: &str) -> Option<(&str, Kind)> {
    let file = path.strip_prefix(LIBRARY)?;
    let (name, ending) = file.rsplit_once('.')?;
    match ending {
        "fnl" | "lua" => Some((name, Kind::Library)),
        "fnlm" => Some((name, Kind::Macros)),
        _ => None,
    }
}

/// Reports modules that no name, or the wrong one, would find.
fn check_names(units: &[Unit], problems: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for unit in units.iter().filter(|unit| unit.kind == Kind::Library) {
        if unit.name == "quire" || unit.name.starts_with("quire.") {
            let message = format!(
                "the module would be called `{}`, but names that begin with `quire` are quire's own",
                unit.name
            );
            problems.push(Diagnostic::error(unit.path.clone(), message).help("rename the file"));
        } else if let Some(other) = seen.insert(&unit.name, &unit.path) {
            let message = format!("the module `{}` is in {other} as well", unit.name);
            problems.push(Diagnostic::error(unit.path.clone(), message).help("rename one of the files"));
        }
    }
}
