//! A compiled pipeline: the Lua text of its entry and of every module that it can require.

use serde::{Deserialize, Serialize};

use crate::model::{Diagnostic, Severity, Span};

/// One module as Lua text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The name to require it by: `foo`, `a.b`, `quire.ci`. The entry is called `ci`.
    pub(crate) name: String,
    /// The file, as the user knows it; Lua's chunk name is `@` and this.
    pub(crate) path: String,
    /// The text. Its line numbers are those of the file.
    pub(crate) lua: String,
}

/// A pipeline that compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// What declares the jobs: the text of `.quire/ci.fnl`, or that made of a workflow.
    pub(crate) entry: Module,
    /// The modules of quire that are written in Fennel and those of `.quire/lib`, ordered by name.
    pub(crate) modules: Vec<Module>,
    /// What the compiler does not like but accepts.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// The version of the stored format; another one counts as absent.
pub const BUNDLE_FORMAT: u32 = 2;

impl Bundle {
    /// The module that `(require name)` means: `foo` and `lib.foo` are both `.quire/lib/foo.fnl`.
    #[cfg(test)]
    pub(crate) fn module(&self, name: &str) -> Option<&Module> {
        let named = |name: &str| self.modules.iter().find(|module| module.name == name);
        named(name).or_else(|| named(name.strip_prefix("lib.")?))
    }

    /// The bundle as bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let stored = StoredBundle {
            format: BUNDLE_FORMAT,
            entry: StoredModule::of(&self.entry),
            modules: self.modules.iter().map(StoredModule::of).collect(),
            warnings: self.warnings.iter().map(StoredWarning::of).collect(),
        };
        // Strings and numbers have no way to fail; a bundle without bytes is not read back.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Reads what [`Bundle::to_bytes`] wrote, in this version of the format.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let stored: StoredBundle = serde_json::from_slice(bytes).ok()?;
        (stored.format == BUNDLE_FORMAT).then(|| Self {
            entry: stored.entry.module(),
            modules: stored.modules.into_iter().map(StoredModule::module).collect(),
            warnings: stored.warnings.into_iter().map(StoredWarning::diagnostic).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBundle {
    format: u32,
    entry: StoredModule,
    modules: Vec<StoredModule>,
    warnings: Vec<StoredWarning>,
}

#[derive(Serialize, Deserialize)]
struct StoredModule {
    name: String,
    path: String,
    lua: String,
}

impl StoredModule {
    fn of(module: &Module) -> Self {
        Self { name: module.name.clone(), path: module.path.clone(), lua: module.lua.clone() }
    }

    fn module(self) -> Module {
        Module { name: self.name, path: self.path, lua: self.lua }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredWarning {
    file: String,
    span: Option<[u32; 4]>,
    message: String,
    help: Option<String>,
    source_line: Option<String>,
}

impl StoredWarning {
    fn of(warning: &Diagnostic) -> Self {
        Self {
            file: warning.file.clone(),
            span: warning.span.map(|span| [span.line, span.column, span.end_line, span.end_column]),
            message: warning.message.clone(),
            help: warning.help.clone(),
            source_line: warning.source_line.clone(),
        }
    }

    fn diagnostic(self) -> Diagnostic {
        let span =
            |[line, column, end_line, end_column]: [u32; 4]| Span { line, column, end_line, end_column };
        Diagnostic {
            severity: Severity::Warning,
            file: self.file,
            span: self.span.map(span),
            message: self.message,
            help: self.help,
            source_line: self.source_line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, lua: &str) -> Module {
        Module { name: name.into(), path: format!(".quire/lib/{name}.fnl"), lua: lua.into() }
    }

    fn bundle() -> Bundle {
        let warning = Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error("f", "odd").at(Span::point(1, 2), "é x").help("do")
        };
        Bundle {
            entry: module("ci", "return \"\u{1}é\""),
            modules: vec![
                module("a.b", "return 1"),
                module("foo", "return 2"),
                module("lib.own", "return 3"),
            ],
            warnings: vec![
                warning,
                Diagnostic { severity: Severity::Warning, ..Diagnostic::error("f", "m") },
            ],
        }
    }

    #[test]
    fn a_bundle_is_read_back_as_it_was_written() {
        assert_eq!(Bundle::from_bytes(&bundle().to_bytes()), Some(bundle()));
    }

    #[test]
    fn other_bytes_and_other_versions_are_no_bundle() {
        let text = String::from_utf8(bundle().to_bytes()).unwrap();
        for wrong in [
            String::new(),
            "{}".to_owned(),
            text.replacen(&format!("\"format\":{BUNDLE_FORMAT}"), "\"format\":0", 1),
            text[..text.len() - 5].to_owned(),
            text.replacen("{\"format\"", "{\"more\":1,\"format\"", 1),
        ] {
            assert_eq!(Bundle::from_bytes(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_module_is_found_with_and_without_lib() {
        let bundle = bundle();
        let found = |name| bundle.module(name).map(|module| module.name.as_str());
        assert_eq!(found("foo"), Some("foo"));
        assert_eq!(found("lib.foo"), Some("foo"));
        assert_eq!(found("lib.a.b"), Some("a.b"));
        assert_eq!(found("lib.own"), Some("lib.own"));
        assert_eq!(found("b"), None);
    }
}
