//! The Fennel front-end: `.quire/ci.fnl` and `.quire/lib/**` to a bundle, and what the pipeline declared to a job graph.

use std::sync::Arc;
use std::time::Duration;

use super::check::{Declared, DeclaredNeed};
use super::files::PipelineFiles;
use super::graph::{JobGraph, JobOptions};
use super::manual_arguments::read_manual_arguments;
use crate::event::Source as EventSource;
use crate::model::{Diagnostic, Severity, Span, format_duration};
use crate::pipeline::argument::ArgSpec;
use crate::schema::pipeline::JOB;
use crate::schema::{Fields, Mistakes, Node, Places, Source, planned_input, primitive_of};
use crate::script::{
    BuiltinModule, Bundle, BundleCache, CacheKey, CallSpans, CompileFailure, CompileOptions, CompileVmError,
    InputRef, Place, Problem, Registration, SourceFile, Sources, VmPulse, compile, globals,
};

/// The file that declares the jobs.
pub(crate) const ENTRY: &str = ".quire/ci.fnl";

/// How the compiler's message about a name that nobody knows begins.
const UNKNOWN_IDENTIFIER: &str = "unknown identifier: ";

/// The modules that quire itself provides, written in Fennel.
const BUILTIN: [(&str, &str, &str); 1] =
    [("quire.ci", "fennel/quire/ci.fnl", include_str!("../../fennel/quire/ci.fnl"))];

/// The modules that the run VM provides to quire's own.
const HOST_MODULES: [&str; 1] = ["quire.primitives"];

/// Compiles a pipeline, or takes what an earlier run has compiled. Blocking.
///
/// # Errors
/// Gives all mistakes of all files.
pub(crate) fn load(
    files: &PipelineFiles,
    cache: Option<&BundleCache>,
    pulse: &Arc<VmPulse>,
) -> Result<Bundle, Vec<Diagnostic>> {
    let Some(entry) = &files.entry else {
        let missing = if files.has_lua {
            Diagnostic::error(".quire/ci.lua", "pipelines in Lua are not in this version of quire")
                .help("write the pipeline in Fennel: .quire/ci.fnl")
        } else {
            Diagnostic::error(ENTRY, "this file does not exist").help("CI-FENNEL.md shows a first pipeline")
        };
        return Err(vec![missing]);
    };
    let stored = files.tree.as_deref().map(CacheKey::of_tree).zip(cache);
    if let Some(bundle) = stored.as_ref().and_then(|(key, cache)| cache.load(key)) {
        return Ok(bundle);
    }
    let bundle = compile_files(files, entry, &[], pulse)?;
    if let Some((key, cache)) = stored
        && let Err(problem) = cache.store(&key, &bundle)
    {
        tracing::warn!(%problem, "the compiled pipeline was not kept");
    }
    Ok(bundle)
}

/// Compiles a pipeline whose only mistakes are names that nobody knows, as if they were known, so that the mistakes of
/// its graph are found as well. `None` when it has other mistakes.
pub(crate) fn load_despite(
    files: &PipelineFiles,
    mistakes: &[Diagnostic],
    pulse: &Arc<VmPulse>,
) -> Option<Bundle> {
    let unknown = |mistake: &Diagnostic| {
        let planned =
            mistake.message.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(name, _)| name);
        let planned = planned.filter(|name| is_planned(name));
        mistake.message.strip_prefix(UNKNOWN_IDENTIFIER).or(planned).map(str::to_owned)
    };
    let names = mistakes.iter().map(unknown).collect::<Option<Vec<String>>>()?;
    compile_files(files, files.entry.as_ref()?, &names, pulse).ok()
}

/// Whether a name is that of a primitive of a later version.
fn is_planned(name: &str) -> bool {
    primitive_of(name).is_some_and(|primitive| primitive.call.workaround().is_some())
}

/// Compiles; `more` are names that count as known in addition to those in scope.
fn compile_files(
    files: &PipelineFiles,
    entry: &SourceFile,
    more: &[String],
    pulse: &Arc<VmPulse>,
) -> Result<Bundle, Vec<Diagnostic>> {
    let builtin = BUILTIN.map(|(name, path, text)| BuiltinModule {
        name: name.to_owned(),
        path: path.to_owned(),
        text: text.to_owned(),
    });
    let sources = Sources { entry: entry.clone(), lib: files.lib.clone(), builtin: builtin.into() };
    let mut globals: Vec<&str> = globals().filter(|name| !is_planned(name)).collect();
    globals.extend(more.iter().map(String::as_str));
    let options = CompileOptions {
        globals: &globals,
        host_modules: &HOST_MODULES,
        pulse: Some(pulse),
        ..CompileOptions::default()
    };
    compile(&sources, &options).map_err(|failure| match failure {
        CompileFailure::Invalid(diagnostics) => diagnostics,
        CompileFailure::Vm(CompileVmError::TimedOut(limit)) => {
            vec![took_too_long("compiling", limit, pulse.last_place(), files)]
        }
        CompileFailure::Vm(problem) => vec![Diagnostic::error(ENTRY, problem.to_string())],
    })
}

/// The mistake of a pipeline whose compilation or evaluation, as `doing` says, took longer than it may, and where it was then.
pub(crate) fn took_too_long(
    doing: &str,
    limit: Duration,
    at: Option<Place>,
    files: &PipelineFiles,
) -> Diagnostic {
    let (file, line) = at.map(|place| (place.file, place.line)).unzip();
    let file = file.unwrap_or_else(|| files.declaring_path().to_owned());
    let message = format!("{doing} the pipeline took longer than {}", format_duration(limit));
    let help = "this is where it was; a loop, or a pattern of exponential cost, that does not end?";
    let mistake = Diagnostic::error(file.clone(), message).help(help);
    let source = files.declaring().into_iter().chain(&files.lib).find(|source| source.path == file);
    match (line, source) {
        (Some(line), Some(source)) => {
            let text = String::from_utf8_lossy(&source.text);
            mistake.at(Span::of_line(&text, line), &text)
        }
        (None, _) | (_, None) => mistake,
    }
}

/// The mistakes of each of these declarations, without those of the graph that they are a part of.
pub(crate) fn mistakes_of_each(registrations: &[Registration], entry: &str, text: &str) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    for registration in registrations {
        let _without_the_others = Reading::new(registration, (entry, text), &mut wrong).declared();
    }
    wrong
}

/// Checks what a pipeline declared; `entry` is the path of the file that did, `text` its content.
///
/// # Errors
/// Gives all mistakes.
pub(crate) fn declare(
    registrations: &[Registration],
    entry: &str,
    text: &str,
) -> Result<JobGraph, Vec<Diagnostic>> {
    let mut wrong = Vec::new();
    let declared: Vec<Declared> = registrations
        .iter()
        .filter_map(|registration| Reading::new(registration, (entry, text), &mut wrong).declared())
        .collect();
    if registrations.is_empty() {
        let help = "declare one: (ci:job :test [:quire/push] (fn [{: sh}] (sh \"make test\")))";
        wrong.push(Diagnostic::error(entry, "the pipeline declares no job").help(help));
    }
    match JobGraph::check(&declared, entry, text) {
        Ok(graph) if wrong.is_empty() => Ok(graph),
        Ok(_) => Err(wrong),
        Err(more) => {
            wrong.extend(more);
            Err(wrong)
        }
    }
}

/// Warns of jobs whose services nothing can reach: they have no image, and `calls_container` says that no code of the pipeline
/// may start a container by itself.
pub(crate) fn unreached_services(
    registrations: &[Registration],
    (entry, text): (&str, &str),
    calls_container: bool,
) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for registration in registrations.iter().filter(|_| !calls_container) {
        let has = |name: &str| registration.options.get(name).is_some();
        if has("services") && !has("image") {
            let mut reading = Reading::new(registration, (entry, text), &mut warnings);
            let (span, job) = (reading.span(Some(0), None), registration.id.as_deref().unwrap_or_default());
            let message = format!("no step of `{job}` can reach its services: they all run on the host");
            let help = "give the job an `:image`, or run the step with `(container image cmd)`".to_owned();
            reading.refuse(span, message, Some(help));
        }
    }
    warnings.into_iter().map(|warning| Diagnostic { severity: Severity::Warning, ..warning }).collect()
}

/// One registration on its way to a declared job.
struct Reading<'a> {
    registration: &'a Registration,
    spans: Option<CallSpans>,
    entry: &'a str,
    text: &'a str,
    wrong: &'a mut Vec<Diagnostic>,
}

impl<'a> Reading<'a> {
    fn new(
        registration: &'a Registration,
        (entry, text): (&'a str, &'a str),
        wrong: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let spans = registration.spans.as_deref().and_then(CallSpans::parse);
        Reading { registration, spans, entry, text, wrong }
    }

    /// The place of an argument, or of an item in it, or of the whole call.
    fn span(&self, argument: Option<usize>, item: Option<usize>) -> Option<Span> {
        let line = || self.registration.line.map(|line| Span::point(line, 1));
        let Some(spans) = &self.spans else { return line() };
        let argument = argument.and_then(|argument| spans.args.get(argument));
        let item = argument.and_then(|argument| argument.items.get(item?)).map(|item| item.span);
        Some(item.or(argument.map(|argument| argument.span)).unwrap_or(spans.call))
    }

    fn refuse(&mut self, span: Option<Span>, message: impl Into<String>, help: Option<String>) {
        let file = self.registration.file.as_deref().unwrap_or(self.entry);
        let diagnostic = Diagnostic::error(file, message);
        // The text is that of the entry: a job that a module declares has its place, but no picture.
        let diagnostic = match span {
            Some(span) if file == self.entry => diagnostic.at(span, self.text),
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
            let options = if *argument == Some(3) { " {:timeout \"5m\"}" } else { "" };
            let help = format!("(ci:job :id [:quire/push]{options} (fn [{{: sh}}] …))");
            self.refuse(span, what.clone(), Some(help));
        }
        let (mut needs, mut arguments) = (Vec::new(), None);
        for (item, input) in registration.inputs.iter().enumerate() {
            let span = self.span(Some(1), Some(item));
            match input {
                InputRef::Name(name) => needs.push(DeclaredNeed { name: name.clone(), span }),
                InputRef::Manual(declared) => {
                    needs.push(DeclaredNeed { name: EventSource::MANUAL.to_owned(), span });
                    arguments = Some(self.arguments(declared, item));
                }
                InputRef::Planned(name) => {
                    let name = format!("ci.{name}");
                    let help = planned_input(&name).map(str::to_owned);
                    self.refuse(span, format!("`{name}` is not in this version of quire"), help);
                }
                InputRef::Unreadable => {}
            }
        }
        self.refuse_required_on_push(&needs, arguments.as_deref().unwrap_or_default());
        let options = JobOptions { arguments, ..self.options() };
        let (id_span, span) = (self.span(Some(0), None), self.span(None, None));
        Some(Declared { id: registration.id.clone()?, id_span, span, needs, options })
    }

    /// Refuses required arguments of a job that a push starts, too: it would give none.
    fn refuse_required_on_push(&mut self, needs: &[DeclaredNeed], specs: &[ArgSpec]) {
        let push = needs.iter().find(|need| need.name == EventSource::PUSH);
        let required = specs.iter().find(|spec| spec.is_required);
        if let (Some(push), Some(spec)) = (push, required) {
            let message =
                format!("a push starts this job without arguments, and `{}` is required", spec.name);
            let help = "give the argument a default, or make a job of its own for `ci.manual`".to_owned();
            self.refuse(push.span, message, Some(help));
        }
    }

    /// The arguments that an item of the inputs declares.
    fn arguments(&mut self, declared: &Node, item: usize) -> Vec<ArgSpec> {
        let inputs = self.spans.as_ref().and_then(|spans| spans.args.get(1));
        let places = inputs.and_then(|inputs| inputs.items.get(item)).cloned();
        let declared = self.placed(declared, places, Some(1));
        let mistakes = Mistakes::default();
        let specs = read_manual_arguments(&declared, &mistakes);
        self.wrong.extend(mistakes.into_sorted());
        specs
    }

    /// A value of the call at its places, otherwise at that of the argument that it is in.
    fn placed(&self, given: &Node, places: Option<Places>, argument: Option<usize>) -> Node {
        let file = self.registration.file.as_deref().unwrap_or(self.entry);
        let text = if file == self.entry { self.text } else { "" };
        let places = places.or_else(|| self.span(argument, None).map(Places::of));
        given.clone().placed(places.as_ref(), &Source::fennel(file, text.to_owned()))
    }

    fn options(&mut self) -> JobOptions {
        let places = self.spans.as_ref().and_then(|spans| spans.args.get(2)).cloned();
        let given = self.placed(&self.registration.options, places, None);
        let mistakes = Mistakes::default();
        let options = Fields::open(&given, &JOB, &mistakes).map(|fields| JobOptions::read(&fields));
        self.wrong.extend(mistakes.into_sorted());
        options.unwrap_or_default()
    }
}
