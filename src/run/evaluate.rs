//! From the files of a commit to a checked graph and a VM that can run its jobs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::REPO_CONFIG;
use crate::forge::{ReadError, Repo};
use crate::journal::{DiagnosticFact, JobFact};
use crate::model::{CommitId, Diagnostic, RefName, Span, chain, format_duration};
use crate::pipeline::fennel::{ENTRY, declare, load, load_despite, mistakes_of_each, unreached_services};
use crate::pipeline::{Job, JobGraph, PipelineFiles, workflow};
use crate::script::{
    Bundle, BundleCache, Chunk, EvaluationError, JobHost, Modules, Registration, ScriptError, SourceFile, Vm,
    VmLimits, VmPulse, place_on_line,
};

/// The files of a commit's pipeline, for a run of this ref. Blocking.
///
/// # Errors
/// When they cannot be read.
pub fn commit_files(repo: &Repo, commit: CommitId, ref_name: &RefName) -> Result<PipelineFiles, ReadError> {
    let workflow = repo.workflow_file(commit, ref_name)?;
    let workflow = workflow.map(|found| SourceFile { path: found.path, text: found.content });
    let Some(found) = repo.pipeline_files(commit)? else {
        return Ok(PipelineFiles { workflow, ..PipelineFiles::default() });
    };
    let (tree, has_lua) = (Some(found.tree.to_string()), found.has_lua());
    Ok(PipelineFiles { tree, has_lua, workflow, ..sort_files(found.files) })
}

/// Sorts files below `.quire` into the entry and the library.
pub fn sort_files(files: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> PipelineFiles {
    let mut sorted = PipelineFiles::default();
    for (path, text) in files {
        let Ok(path) = String::from_utf8(path) else { continue };
        if path == ENTRY {
            sorted.entry = Some(SourceFile { path, text });
        } else if path.starts_with(".quire/lib/") {
            sorted.lib.push(SourceFile { path, text });
        } else if path == ".quire/ci.lua" {
            sorted.has_lua = true;
        } else if path.starts_with(".quire/") && path != REPO_CONFIG {
            sorted.others.push(SourceFile { path, text });
        }
    }
    sorted
}

/// A pipeline that compiled, and the text that its places are in.
pub struct Loaded {
    bundle: Bundle,
    text: String,
    lib: Vec<SourceFile>,
    /// A warning of a file that does not count.
    unused: Option<Diagnostic>,
    /// Mistakes that do not keep the pipeline from being evaluated, but from being run.
    mistakes: Vec<Diagnostic>,
}

impl Loaded {
    /// Compiles the files, or takes them from the cache, which is of `.quire` only. Blocking. Another thread can see in
    /// `pulse` how long it takes.
    ///
    /// # Errors
    /// Gives all mistakes.
    pub(crate) fn new(
        files: &PipelineFiles,
        cache: Option<&Path>,
        pulse: &Arc<VmPulse>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let cache = cache.map(BundleCache::new);
        let loaded = match (&files.work, files.used_workflow()) {
            (Some(given), _) => Ok(given.0.bundle(&given.1)),
            (None, Some(file)) => Ok(workflow::load(file)?),
            (None, None) => load(files, cache.as_ref(), pulse),
        };
        let (bundle, mistakes) = match loaded {
            Ok(bundle) => (bundle, Vec::new()),
            Err(mistakes) => {
                (load_despite(files, &mistakes, pulse).ok_or_else(|| mistakes.clone())?, mistakes)
            }
        };
        let text = files.declaring().map(|entry| String::from_utf8_lossy(&entry.text).into_owned());
        let (text, lib) = (text.unwrap_or_default(), files.lib.clone());
        Ok(Self { bundle, text, lib, unused: files.unused(), mistakes })
    }

    /// A VM for the pipeline.
    ///
    /// # Errors
    /// When Lua could not be set up, which is not a mistake in the pipeline.
    pub(crate) fn vm(&self, memory: usize, host: Arc<dyn JobHost>) -> Result<Vm, String> {
        // quire's own modules are distinguished by the beginning of their chunks' names.
        let chunk = |path: &str, text: &str| Chunk {
            chunk: path.strip_prefix("fennel/").unwrap_or(path).to_owned(),
            text: text.to_owned(),
        };
        let mut modules = Modules::new();
        for module in &self.bundle.modules {
            let made = chunk(&module.path, &module.lua);
            if module.path.starts_with(".quire/lib/") {
                modules.insert(format!("lib.{}", module.name), made.clone());
            }
            modules.insert(module.name.clone(), made);
        }
        let entry = &self.bundle.entry;
        modules.insert(ENTRY_MODULE.to_owned(), chunk(&entry.path, &entry.lua));
        let limits = VmLimits { memory, evaluation: EVALUATION_LIMIT, ..VmLimits::default() };
        Vm::new(limits, modules, ENTRY_MODULE, host).map_err(|error| chain(&error))
    }

    /// Evaluates the pipeline in its VM and checks what it declared; gives all warnings with it.
    ///
    /// # Errors
    /// Gives all mistakes, or the error that the script raised.
    pub(crate) async fn evaluate(
        &self,
        vm: &Vm,
    ) -> Result<(JobGraph, Vec<DiagnosticFact<String>>), Vec<Diagnostic>> {
        let evaluated = vm.evaluate().await;
        if !self.mistakes.is_empty() {
            // An error of the script may only follow from the mistakes that are known.
            let more = evaluated.ok().and_then(|registrations| self.declare(&registrations).err());
            // What a mistake stands in may be wrong because of it, and so may the file as a whole.
            let follows = |wrong: &Diagnostic| {
                wrong.span.is_none_or(|around| {
                    let is_in = |span: Span| {
                        (around.line, around.column) <= (span.line, span.column)
                            && (span.end_line, span.end_column) <= (around.end_line, around.end_column)
                    };
                    self.mistakes
                        .iter()
                        .any(|known| known.file == wrong.file && known.span.is_some_and(is_in))
                })
            };
            let more = more.unwrap_or_default().into_iter().filter(|wrong| !follows(wrong));
            return Err(self.mistakes.iter().cloned().chain(more).collect());
        }
        match evaluated {
            Ok(registrations) => {
                let declared = self.declare(&registrations).map_err(|mut wrong| {
                    wrong.sort_by_key(|mistake| mistake.span);
                    wrong
                });
                declared.map(|graph| (graph, self.warnings(&registrations)))
            }
            Err(EvaluationError::Script(error)) => {
                let mut wrong = mistakes_of_each(&vm.declared_so_far(), self.entry(), &self.text);
                wrong.push(self.diagnostic(&error));
                wrong.sort_by_key(|mistake| mistake.span);
                Err(wrong)
            }
            Err(EvaluationError::TimedOut { limit, last_place }) => {
                let message = format!("reading the pipeline took longer than {}", format_duration(limit));
                let help = "this is where it was; a loop that does not end?".to_owned();
                let (file, line) = last_place.map(|place| (place.file, place.line)).unzip();
                let trace = Vec::new();
                Err(vec![self.diagnostic(&ScriptError {
                    message,
                    file,
                    line,
                    span: None,
                    trace,
                    help: Some(help),
                })])
            }
            Err(error @ EvaluationError::OutOfMemory) => Err(vec![
                Diagnostic::error(self.entry(), format!("out of memory: {error}"))
                    .help("the limit is :vm-memory in config.fnl"),
            ]),
        }
    }

    fn declare(&self, registrations: &[Registration]) -> Result<JobGraph, Vec<Diagnostic>> {
        declare(registrations, self.entry(), &self.text)
    }

    /// The path of the file that declares the jobs.
    fn entry(&self) -> &str {
        &self.bundle.entry.path
    }

    /// An error of a script as a diagnostic with its source line.
    pub(crate) fn diagnostic(&self, error: &ScriptError) -> Diagnostic {
        let file = error.file.as_deref().unwrap_or(self.entry());
        let (message, name) = match error.message.rsplit_once(SUGGESTION) {
            Some((message, name)) => (message, Some(name)),
            None => (error.message.as_str(), None),
        };
        let mut diagnostic = Diagnostic::error(file, message);
        if let Some(line) = error.line {
            let text = if file == self.entry() { self.text.clone() } else { self.library_text(file) };
            let span = error.span.unwrap_or_else(|| place_on_line(&text, line, message));
            diagnostic = diagnostic.at(span, &text);
        }
        let suggested = name.map(|name| format!("did you mean {name}"));
        match error.help.clone().or(suggested) {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }

    fn library_text(&self, file: &str) -> String {
        let found = self.lib.iter().find(|source| source.path == file);
        found.map(|source| String::from_utf8_lossy(&source.text).into_owned()).unwrap_or_default()
    }

    /// The warnings of the front-end, as facts.
    fn warnings(&self, registrations: &[Registration]) -> Vec<DiagnosticFact<String>> {
        let lib = self.lib.iter().map(|file| String::from_utf8_lossy(&file.text));
        let calls_container = lib.chain([self.text.as_str().into()]).any(|text| text.contains(CONTAINER));
        let unreached = unreached_services(registrations, (self.entry(), &self.text), calls_container);
        self.bundle.warnings.iter().chain(&self.unused).chain(&unreached).map(DiagnosticFact::from).collect()
    }
}

/// What is between a message of quire's and the name that was probably meant.
const SUGGESTION: &str = "; did you mean ";

/// What stands in the text of a pipeline that starts a container in a job by itself.
const CONTAINER: &str = "container";

/// How long a pipeline may take to be evaluated.
pub const EVALUATION_LIMIT: Duration = Duration::from_secs(5);

/// The name of the entry among the modules: no file can have it.
const ENTRY_MODULE: &str = ".quire/ci";

/// The jobs of a graph, as facts.
pub fn job_facts(graph: &JobGraph) -> Vec<JobFact> {
    let fact = |job: &Job| JobFact { id: job.id.to_string(), needs: graph.need_names(job) };
    graph.jobs().iter().map(fact).collect()
}
