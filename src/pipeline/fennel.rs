//! The Fennel front-end: `.quire/ci.fnl` and `.quire/lib/**` to a bundle, and what the pipeline declared to a job graph.

use super::check::{Declared, DeclaredNeed};
use super::graph::{JobGraph, JobOptions, When};
use crate::model::{Diagnostic, Span, parse_duration, suggest};
use crate::script::{
    BuiltinModule, Bundle, BundleCache, CacheKey, CallSpans, CompileFailure, CompileOptions, GLOBALS,
    InputRef, OptionValue, PLANNED, Problem, Registration, SourceFile, Sources, compile,
};

/// The file that declares the jobs.
pub const ENTRY: &str = ".quire/ci.fnl";

/// How the compiler's message about a name that nobody knows begins.
const UNKNOWN_IDENTIFIER: &str = "unknown identifier: ";

/// The modules that quire itself provides, written in Fennel.
const BUILTIN: [(&str, &str, &str); 1] =
    [("quire.ci", "fennel/quire/ci.fnl", include_str!("../../fennel/quire/ci.fnl"))];

/// The modules that the run VM provides to quire's own.
const HOST_MODULES: [&str; 1] = ["quire.primitives"];

/// The options of `ci:job`.
const OPTIONS: [&str; 6] = ["timeout", "when", "allow-failure", "interruptible", "sandbox", "network"];

/// Options of `ci:job` that a later version will have.
const PLANNED_OPTIONS: [&str; 7] = ["retry", "image", "env", "needs-secrets", "group", "workspace", "matrix"];

/// The files of a pipeline.
#[derive(Debug, Clone)]
pub struct PipelineFiles {
    /// The id of the `.quire` tree; nothing for a working copy.
    pub tree: Option<String>,
    /// Whether there is a `.quire/ci.lua`.
    pub has_lua: bool,
    /// `.quire/ci.fnl`.
    pub entry: Option<SourceFile>,
    /// The files below `.quire/lib`.
    pub lib: Vec<SourceFile>,
}

/// Compiles a pipeline, or takes what an earlier run has compiled. Blocking.
///
/// # Errors
/// Gives all mistakes of all files.
pub fn load(files: &PipelineFiles, cache: Option<&BundleCache>) -> Result<Bundle, Vec<Diagnostic>> {
    let Some(entry) = &files.entry else {
        let missing = if files.has_lua {
            Diagnostic::error(".quire/ci.lua", "pipelines in Lua are not in this version of quire")
                .help("write the pipeline in Fennel: .quire/ci.fnl")
        } else {
            Diagnostic::error(ENTRY, "there is no such file").help("CI-FENNEL.md shows a first pipeline")
        };
        return Err(vec![missing]);
    };
    let stored = files.tree.as_deref().map(CacheKey::of_tree).zip(cache);
    if let Some(bundle) = stored.as_ref().and_then(|(key, cache)| cache.load(key)) {
        return Ok(bundle);
    }
    let bundle = compile_files(entry, &files.lib, &[])?;
    if let Some((key, cache)) = stored
        && let Err(problem) = cache.store(&key, &bundle)
    {
        tracing::warn!(%problem, "the compiled pipeline was not kept");
    }
    Ok(bundle)
}

/// Compiles a pipeline whose only mistakes are names that nobody knows, as if they were known, so that the mistakes of
/// its graph are found as well. `None` when it has other mistakes.
pub fn load_despite(files: &PipelineFiles, mistakes: &[Diagnostic]) -> Option<Bundle> {
    let unknown = |mistake: &Diagnostic| {
        let planned =
            mistake.message.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(name, _)| name);
        let planned = planned.filter(|name| PLANNED.contains(name));
        mistake.message.strip_prefix(UNKNOWN_IDENTIFIER).or(planned).map(str::to_owned)
    };
    let names = mistakes.iter().map(unknown).collect::<Option<Vec<String>>>()?;
    compile_files(files.entry.as_ref()?, &files.lib, &names).ok()
}

/// Compiles; `more` are names that count as known beside those in scope.
fn compile_files(entry: &SourceFile, lib: &[SourceFile], more: &[String]) -> Result<Bundle, Vec<Diagnostic>> {
    let builtin = BUILTIN.map(|(name, path, text)| BuiltinModule {
        name: name.to_owned(),
        path: path.to_owned(),
        text: text.to_owned(),
    });
    let sources = Sources { entry: entry.clone(), lib: lib.to_vec(), builtin: builtin.into() };
    let globals: Vec<&str> = GLOBALS
        .iter()
        .copied()
        .filter(|name| !PLANNED.contains(name))
        .chain(more.iter().map(String::as_str))
        .collect();
    let options = CompileOptions {
        globals: &globals,
        host_modules: &HOST_MODULES,
        planned: PLANNED,
        ..CompileOptions::default()
    };
    compile(&sources, &options).map_err(|failure| match failure {
        CompileFailure::Invalid(diagnostics) => diagnostics,
        CompileFailure::Vm(problem) => vec![Diagnostic::error(ENTRY, problem.to_string())],
    })
}

/// Checks what a pipeline declared.
///
/// # Errors
/// Gives all mistakes.
pub fn declare(registrations: &[Registration], text: &str) -> Result<JobGraph, Vec<Diagnostic>> {
    let mut wrong = Vec::new();
    let declared: Vec<Declared> = registrations
        .iter()
        .filter_map(|registration| Reading::new(registration, text, &mut wrong).declared())
        .collect();
    if registrations.is_empty() {
        let help = "declare one: (ci:job :test [:quire/push] (fn [{: sh}] (sh \"make test\")))";
        wrong.push(Diagnostic::error(ENTRY, "the pipeline declares no job").help(help));
    }
    match JobGraph::check(&declared, ENTRY, text) {
        Ok(graph) if wrong.is_empty() => Ok(graph),
        Ok(_) => Err(wrong),
        Err(more) => {
            wrong.extend(more);
            Err(wrong)
        }
    }
}

/// One registration on its way to a declared job.
struct Reading<'a> {
    registration: &'a Registration,
    spans: Option<CallSpans>,
    text: &'a str,
    wrong: &'a mut Vec<Diagnostic>,
}

impl<'a> Reading<'a> {
    fn new(registration: &'a Registration, text: &'a str, wrong: &'a mut Vec<Diagnostic>) -> Reading<'a> {
        let spans = registration.spans.as_deref().and_then(CallSpans::parse);
        Reading { registration, spans, text, wrong }
    }

    /// The place of an argument, or of an item in it, or of the whole call.
    fn span(&self, argument: Option<usize>, item: Option<usize>) -> Option<Span> {
        let line = || self.registration.line.map(|line| Span::point(line, 1));
        let Some(spans) = &self.spans else { return line() };
        let argument = argument.and_then(|argument| spans.args.get(argument));
        let item = argument.and_then(|argument| argument.items.get(item?).copied());
        Some(item.or(argument.map(|argument| argument.span)).unwrap_or(spans.call))
    }

    fn refuse(&mut self, span: Option<Span>, message: impl Into<String>, help: Option<String>) {
        let file = self.registration.file.as_deref().unwrap_or(ENTRY);
        let diagnostic = Diagnostic::error(file, message);
        // The text is that of the entry: a job that a module declares has its place, but no picture.
        let diagnostic = match span {
            Some(span) if file == ENTRY => diagnostic.at(span, self.text),
            Some(span) => diagnostic.at(span, ""),
            None => diagnostic,
        };
        self.wrong.push(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }

    fn declared(mut self) -> Option<Declared> {
        let registration = self.registration;
        for Problem { what, argument, item } in &registration.problems {
            let span = self.span(*argument, *item);
            let help = "(ci:job :id [:quire/push] (fn [{: sh}] …))";
            self.refuse(span, what.clone(), Some(help.to_owned()));
        }
        let mut needs = Vec::new();
        for (item, input) in registration.inputs.iter().enumerate() {
            let span = self.span(Some(1), Some(item));
            match input {
                InputRef::Name(name) => needs.push(DeclaredNeed { name: name.clone(), span }),
                InputRef::Planned(name) => {
                    let help = "jobs can need `:quire/push` and other jobs".to_owned();
                    self.refuse(span, format!("`ci.{name}` is not in this version of quire"), Some(help));
                }
                InputRef::Unreadable => {}
            }
        }
        let mut options = JobOptions::default();
        for (name, value) in &registration.options {
            if let Err((message, help)) = read_option(name, value, &mut options) {
                let span = self.span(Some(2), None);
                self.refuse(span, message, help);
            }
        }
        let (id_span, span) = (self.span(Some(0), None), self.span(None, None));
        Some(Declared { id: registration.id.clone()?, id_span, span, needs, options })
    }
}

/// What is wrong, and what to do instead.
type Refusal = (String, Option<String>);

/// Reads one option of a job into `options`.
fn read_option(name: &str, value: &OptionValue, options: &mut JobOptions) -> Result<(), Refusal> {
    let wants = |what: &str| (format!("`:{name}` of a job wants {what}"), None);
    match (name, value) {
        ("timeout", OptionValue::Text(text)) => {
            let timeout = parse_duration(text).map_err(|error| (error.to_string(), None))?;
            let timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
            options.timeout = Some(timeout.ok_or_else(|| wants("a duration such as \"5m\", or seconds"))?);
        }
        ("timeout", OptionValue::Number(seconds)) => {
            let timeout =
                std::time::Duration::try_from_secs_f64(*seconds).ok().filter(|timeout| !timeout.is_zero());
            options.timeout = Some(timeout.ok_or_else(|| wants("a duration such as \"5m\", or seconds"))?);
        }
        ("timeout", _) => return Err(wants("a duration such as \"5m\", or seconds")),
        ("when", OptionValue::Text(when)) => {
            options.when = match when.as_str() {
                "always" => When::Always,
                "failed" => When::Failed,
                "passed" => When::Passed,
                _ => return Err(wants("`:always`, `:failed` or `:passed`")),
            };
        }
        ("when", _) => return Err(wants("`:always`, `:failed` or `:passed`")),
        ("allow-failure", OptionValue::Flag(flag)) => options.allow_failure = *flag,
        ("interruptible", OptionValue::Flag(flag)) => options.interruptible = *flag,
        ("sandbox", OptionValue::Text(kind)) if kind == "bwrap" => options.sandbox = true,
        ("sandbox", _) => return Err(wants("`:bwrap`, the one sandbox that there is")),
        ("network", OptionValue::Flag(flag)) => options.network = Some(*flag),
        ("allow-failure" | "interruptible" | "network", _) => return Err(wants("`true` or `false`")),
        _ => return Err(unknown_option(name)),
    }
    Ok(())
}

fn unknown_option(name: &str) -> Refusal {
    if PLANNED_OPTIONS.contains(&name) {
        return (format!("the job option `:{name}` is not in this version of quire"), None);
    }
    let help = match suggest(name, OPTIONS) {
        Some(near) => format!("did you mean `:{near}`?"),
        None => format!("options of a job are :{}", OPTIONS.join(" :")),
    };
    (format!("a job has no option `:{name}`"), Some(help))
}
