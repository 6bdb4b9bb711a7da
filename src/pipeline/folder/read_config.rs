//! Reading a `config.yaml`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::config::{
    ConfigPart, ConfigProblem, ContainerConfig, ErrorPolicy, Executor, Interpreter, JobConfig,
};
use super::lazy_config::LazyConfig;
use super::read_argument::read_arguments;
use super::read_steps::read_steps;
use crate::model::{Diagnostic, Quoted, Severity, Span, suggest};
use crate::pipeline::argument::prose;
use crate::policy::Cpus;
use crate::schema::job_folder::{ERROR_HANDLING, JOB_BLOCK, JOB_CONFIG, JOB_CONTAINER, JOB_RESOURCES};
use crate::schema::{Fields, Mistakes, Node, Value, read_yaml};

/// The longest `config.yaml`, in bytes.
pub(super) const MAX_CONFIG: usize = 64 << 10;

/// Jobs that share a folder, at most.
const MAX_BLOCKS: usize = 100;

/// The longest id of a job.
const MAX_ID: usize = 200;

/// Problems of one file that are kept.
const MAX_PROBLEMS: usize = 50;

/// What a `config.yaml` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ConfigFile {
    /// The jobs; one without anything when the file names none.
    pub(super) blocks: Vec<JobBlock>,
    pub(super) config: LazyConfig,
    pub(super) problems: Vec<ConfigProblem>,
    /// Whether the text is YAML at all.
    pub(super) is_readable: bool,
    /// Whether a key says that this is a job: other programs have files of this name, too.
    pub(super) is_job: bool,
    /// Whether it is none although it has only keys of jobs.
    pub(super) is_like_job: bool,
}

/// What a file says about one job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct JobBlock {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) summary: Option<String>,
}

/// The keys of which a file has at least one when it describes a job.
const JOB_KEYS: [&str; 7] = ["job", "jobs", "interpreter", "argspec", "arguments", "steps", "composition"];

/// Keys that hardly anything but a job has.
const LIKE_JOB_KEYS: [&str; 4] = ["executor", "container", "error_handling", "env_inheritance"];

impl ConfigFile {
    /// What a file says that was read.
    pub(super) fn of(text: io::Result<Vec<u8>>) -> Self {
        text.map_or_else(|error| Self::unreadable(error.to_string()), |text| Self::parse(&text))
    }

    /// A file that cannot be read.
    pub(super) fn unreadable(message: String) -> Self {
        let problem =
            ConfigProblem { is_fatal: true, part: ConfigPart::Job, place: None, message, help: None };
        Self { problems: vec![problem], is_job: true, ..Self::default() }
    }

    /// Reads the text of a file.
    pub(super) fn parse(text: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(text) else {
            return Self::unreadable("the file is not UTF-8 text".to_owned());
        };
        let (root, wrong) = read_yaml("config.yaml", text);
        let is_readable = wrong.is_empty();
        let root = root.map(without_nothing).filter(|_| is_readable);
        let is_job = root.as_ref().is_none_or(|root| JOB_KEYS.iter().any(|key| root.get(key).is_some()));
        let is_like_job = !is_job && root.as_ref().is_some_and(is_like_job);
        let mistakes = Mistakes::tolerating_unknown();
        let root = root.filter(|root| root.value != Value::Nil);
        let fields = root.as_ref().and_then(|root| Fields::open(root, &JOB_CONFIG, &mistakes));
        let (blocks, (config, of_steps)) =
            fields.map(|fields| (read_blocks(&fields), read(&fields))).unwrap_or_default();
        let problem = |wrong: Diagnostic| {
            let part = if of_steps.contains(&wrong.span) { ConfigPart::Steps } else { ConfigPart::Job };
            ConfigProblem { part, ..ConfigProblem::from(&wrong) }
        };
        let wrong = wrong.into_iter().map(as_parse_error).chain(mistakes.into_sorted());
        let problems = wrong.take(MAX_PROBLEMS).map(problem).collect();
        let blocks = if blocks.is_empty() { vec![JobBlock::default()] } else { blocks };
        Self { blocks, config: config.into(), problems, is_readable, is_job, is_like_job }
    }
}

/// Whether a file has only keys of jobs, and one of those that are telling; or is no mapping at all.
fn is_like_job(root: &Node) -> bool {
    let Value::Table(pairs) = &root.value else { return root.value != Value::Nil };
    let is_key = |(key, _): &(Node, Node)| key.as_str().is_ok_and(|name| JOB_CONFIG.find(name).is_some());
    pairs.iter().all(is_key) && LIKE_JOB_KEYS.iter().any(|key| root.get(key).is_some())
}

fn as_parse_error(wrong: Diagnostic) -> Diagnostic {
    Diagnostic { message: format!("parse yaml: {}", wrong.message), ..wrong }
}

/// The value without keys that have none: `env:` alone says nothing.
pub(super) fn without_nothing(node: Node) -> Node {
    let value = match &node.value {
        Value::Table(pairs) => Value::Table(
            pairs
                .iter()
                .filter(|(_, value)| value.value != Value::Nil)
                .map(|(key, value)| (key.clone(), without_nothing(value.clone())))
                .collect(),
        ),
        Value::List(items) => Value::List(items.iter().cloned().map(without_nothing).collect()),
        Value::String(_)
        | Value::Bytes(_)
        | Value::Number(_)
        | Value::Bool(_)
        | Value::Nil
        | Value::Other(_) => return node,
    };
    node.with(value)
}

fn read_blocks(fields: &Fields<'_>) -> Vec<JobBlock> {
    let several = fields.list("jobs", Ok);
    if several.len() > MAX_BLOCKS {
        fields.refuse_option(
            "jobs",
            format!("there are more than {MAX_BLOCKS} jobs"),
            "make folders of them",
        );
    }
    let several =
        several.into_iter().take(MAX_BLOCKS).filter_map(|node| fields.inner(node, JOB_BLOCK.of, &JOB_BLOCK));
    let block = |fields: Fields<'_>| JobBlock {
        id: fields.read("id", read_id),
        name: prose(&fields, "name"),
        summary: prose(&fields, "summary"),
    };
    fields.table("job", &JOB_BLOCK).into_iter().chain(several).map(block).collect()
}

fn read_id(node: &Node) -> Result<String, Diagnostic> {
    let id = node.as_text()?;
    job_id(&id)
        .map_err(|help| node.error(format!("{} is not a valid job id", Quoted::new(&id))).help(help))?;
    Ok(id)
}

/// Whether a text can be the id of a job; what it must be otherwise.
pub(super) fn job_id(id: &str) -> Result<(), &'static str> {
    let is_part =
        |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_control() || c == '\\' || c == '`');
    // The job in the root itself.
    if id == "." {
        return Ok(());
    }
    if id.len() > MAX_ID {
        return Err("an id has at most 200 bytes");
    }
    if id.starts_with(['-', ':']) {
        return Err("an id does not start with `-` or `:`");
    }
    if id.split(['.', '/']).all(is_part) {
        Ok(())
    } else {
        Err("an id is parts with `.` or `/` between them")
    }
}

/// The settings of the job, and the places of what is wrong with its steps.
fn read(fields: &Fields<'_>) -> (JobConfig, Vec<Option<Span>>) {
    let container = fields.table("container", &JOB_CONTAINER);
    let container =
        container.map(|own| read_container(&own, &ContainerConfig::default())).unwrap_or_default();
    let executor = fields.read("executor", read_executor);
    let (args, has_args) = read_arguments(fields);
    let before = fields.mistakes().count();
    let steps = read_steps(fields, executor, &container);
    let has_steps = fields.word("composition").map(|word| word == "steps");
    match (has_steps, fields.get("steps").is_some()) {
        (Some(true), false) => {
            fields.refuse_option(
                "composition",
                "`composition: steps` without `steps`",
                "write the steps, or leave it out",
            );
        }
        (None, true) => {
            warn(fields, "steps", "`steps` without `composition: steps` are not run", "add it");
        }
        _ => {}
    }
    let of_steps = fields.mistakes().places_since(before);
    let config = JobConfig {
        interpreter: fields.read("interpreter", read_interpreter),
        executor,
        container,
        env: read_env(fields),
        env_inheritance: fields.flag("env_inheritance").unwrap_or_default(),
        timeout: fields.read("timeout", read_pause).filter(|timeout| !timeout.is_zero()),
        errors: read_errors(fields),
        steps: if has_steps == Some(true) { steps } else { Vec::new() },
        args,
        has_args,
    };
    (config, of_steps)
}

/// Something that works, but probably not as it was meant.
fn warn(fields: &Fields<'_>, name: &str, message: &str, help: &str) {
    if let Some(key) = fields.key(name) {
        fields.mistakes().note(Diagnostic { severity: Severity::Warning, ..key.error(message).help(help) });
    }
}

fn read_interpreter(node: &Node) -> Result<Interpreter, Diagnostic> {
    let text = node.as_str()?;
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() || text.contains('\0') {
        return Err(node
            .error("an interpreter is a program, with arguments")
            .help("such as `bash` or `python3 -u`"));
    }
    match text.trim().strip_prefix("container:") {
        Some(image) if words.len() == 1 && !image.is_empty() => {
            Ok(Interpreter::Container { image: image.to_owned() })
        }
        Some(_) => {
            Err(node.error("`container:` is followed by one image").help("such as `container:alpine:3.20`"))
        }
        None => Ok(Interpreter::Program(words)),
    }
}

pub(super) fn read_executor(node: &Node) -> Result<Executor, Diagnostic> {
    let word = node.as_str()?.to_ascii_lowercase();
    let found = Executor::ALL.into_iter().find(|executor| executor.as_str() == word);
    found.ok_or_else(|| {
        let wrong = node.error(format!("unknown executor {}", Quoted::new(&word)));
        match suggest(&word, Executor::ALL.map(Executor::as_str)) {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong.help("executors are container proc shell"),
        }
    })
}

/// A container: what these options say, otherwise what `base` says.
pub(super) fn read_container(fields: &Fields<'_>, base: &ContainerConfig) -> ContainerConfig {
    let resources = fields.table("resources", &JOB_RESOURCES);
    let cpus = resources.as_ref().and_then(|resources| {
        resources
            .read("cpu", |node| Cpus::parse(&node.as_word()?).map_err(|wrong| node.error(wrong.to_string())))
    });
    let list =
        |name, base: &Vec<String>| if fields.get(name).is_some() { fields.texts(name) } else { base.clone() };
    ContainerConfig {
        image: fields.text("image").or_else(|| base.image.clone()),
        cpus: cpus.or(base.cpus),
        memory: resources.and_then(|resources| resources.size("memory")).or(base.memory),
        network: fields.text("network").or_else(|| base.network.clone()),
        rootfs_writable: fields.flag("rootfs_writable").unwrap_or(base.rootfs_writable),
        capabilities: list("capabilities", &base.capabilities),
        extra_args: list("extra_args", &base.extra_args),
        entrypoint: list("entrypoint", &base.entrypoint),
    }
}

fn read_env(fields: &Fields<'_>) -> BTreeMap<String, String> {
    let entries = fields
        .entries("env")
        .iter()
        .filter_map(|(key, value)| fields.value("env", read_variable(key, value)));
    entries.collect()
}

fn read_variable(key: &Node, value: &Node) -> Result<(String, String), Diagnostic> {
    let name = key.as_str()?;
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(key.error(format!("{} cannot be the name of a variable", Quoted::new(name))));
    }
    let text = value.as_choice()?;
    if text.contains('\0') {
        return Err(value.error("the value must not have a NUL byte"));
    }
    Ok((name.to_owned(), text))
}

/// A duration that may be nothing.
fn read_pause(node: &Node) -> Result<Duration, Diagnostic> {
    let is_zero = matches!(&node.value, Value::Number(number) if number.value == 0.0);
    if is_zero { Ok(Duration::ZERO) } else { node.as_duration() }
}

fn read_errors(fields: &Fields<'_>) -> ErrorPolicy {
    let Some(fields) = fields.table("error_handling", &ERROR_HANDLING) else { return ErrorPolicy::Abort };
    let retries = fields.count("retries").unwrap_or_default();
    let backoff = fields.read("retry_backoff", read_pause).unwrap_or_default();
    match fields.word("policy") {
        Some("continue") => ErrorPolicy::Continue,
        Some("retry") => {
            if retries == 0 {
                warn(&fields, "policy", "`policy: retry` without `retries` tries once", "add `retries: 2`");
            }
            ErrorPolicy::Retry { retries, backoff }
        }
        _ => ErrorPolicy::Abort,
    }
}
