//! The manifest of an add-on: what an image says about its jobs.

use serde::Serialize;

use super::error::{E_MANIFEST, SourceError};
use crate::model::{Diagnostic, Quoted};
use crate::pipeline::argument::ArgSpec;
use crate::pipeline::folder::read_arguments;
use crate::schema::addon::{
    ADDON, ADDON_CONTAINER, ADDON_JOB, ADDON_METADATA, ADDON_REQUIRES, MAINTAINER, REQUIREMENTS, TOOL,
};
use crate::schema::{Fields, Mistakes, Node, Value, read_yaml};

/// Where the manifest is in an image.
pub(crate) const MANIFEST_PATH: &str = "/flwd-addon/manifest.yaml";

/// Where it is kept, in the folder of its source.
pub(super) const FILE: &str = "manifest.yaml";

/// The longest manifest, in bytes.
pub(crate) const MAX_MANIFEST: usize = 256 << 10;

/// The most mistakes that are listed.
const MAX_MISTAKES: usize = 50;

/// The longest summary, in characters.
const MAX_SUMMARY: usize = 240;

/// What an add-on says about itself and its jobs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AddonManifest {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) version: String,
    /// What it does.
    pub(crate) summary: String,
    pub(crate) jobs: Vec<AddonJob>,
}

/// A job of an add-on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AddonJob {
    /// Its id, unique in the add-on.
    pub(crate) id: String,
    /// Its name; the id when it has none.
    pub(crate) name: String,
    /// What it does.
    pub(crate) summary: String,
    /// The same at length.
    pub(crate) description: String,
    /// What it extends.
    pub(crate) extends: Vec<String>,
    /// The arguments that it takes.
    pub(crate) args: Vec<ArgSpec>,
    /// Programs that it needs.
    pub(crate) tools: Vec<Tool>,
    /// What runs in the image; empty when the job cannot run.
    pub(crate) command: Vec<String>,
}

/// A program that a job needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

impl AddonManifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// All its mistakes, joined by `; `.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, SourceError> {
        let problem = |title, detail: String| SourceError::new(title, detail).code(E_MANIFEST);
        if text.len() > MAX_MANIFEST {
            let detail = format!("the manifest has more than {} KiB", MAX_MANIFEST >> 10);
            return Err(problem("addon manifest parse failed", detail));
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return Err(problem("addon manifest parse failed", "the manifest is not UTF-8 text".to_owned()));
        };
        let (root, unread) = read_yaml(FILE, text);
        if !unread.is_empty() {
            return Err(problem("addon manifest parse failed", joined(&unread)));
        }
        let mistakes = Mistakes::default();
        let root =
            root.ok_or_else(|| problem("addon manifest invalid", "the manifest is empty".to_owned()))?;
        let read = Fields::open(&root, &ADDON, &mistakes).and_then(|fields| manifest(&fields));
        let wrong = mistakes.into_sorted();
        match read {
            Some(manifest) if wrong.is_empty() => Ok(manifest),
            _ => Err(problem("addon manifest invalid", joined(&wrong))),
        }
    }

    /// The job of this id, in any case.
    pub(crate) fn find(&self, id: &str) -> Option<&AddonJob> {
        self.jobs.iter().find(|job| job.id.eq_ignore_ascii_case(id))
    }
}

fn joined(wrong: &[Diagnostic]) -> String {
    let one = |wrong: &Diagnostic| match (wrong.span, &wrong.help) {
        (Some(span), Some(help)) if !help.is_empty() => {
            format!("{}:{}: {} ({help})", span.line, span.column, wrong.message)
        }
        (Some(span), _) => format!("{}:{}: {}", span.line, span.column, wrong.message),
        (None, _) => wrong.message.clone(),
    };
    let mut lines: Vec<String> = wrong.iter().take(MAX_MISTAKES).map(one).collect();
    if wrong.len() > MAX_MISTAKES {
        lines.push(format!("and {} more", wrong.len() - MAX_MISTAKES));
    }
    lines.join("; ")
}

fn manifest(fields: &Fields<'_>) -> Option<AddonManifest> {
    exactly(fields, "apiVersion", "flwd.addon/v1");
    exactly(fields, "kind", "AddOn");
    let metadata = section(fields, "metadata", |node| fields.inner(node, ADDON_METADATA.of, &ADDON_METADATA));
    if let Some(requires) = fields.get("requires").filter(|node| node.value != Value::Nil) {
        let _read =
            fields.inner(requires, ADDON_REQUIRES.of, &ADDON_REQUIRES).map(|fields| check_requires(&fields));
    } else if fields.get("requires").is_none() {
        fields.refuse("`requires` is missing", "it may be empty: `requires: {}`");
    }
    let jobs = jobs(fields);
    let (name, id, version, summary) = read_metadata(&metadata?)?;
    Some(AddonManifest { name, id, version, summary, jobs })
}

/// The value of an option that must be there.
fn section<'a, T>(fields: &Fields<'a>, name: &str, read: impl FnOnce(&'a Node) -> Option<T>) -> Option<T> {
    match fields.get(name) {
        Some(node) => read(node),
        None => {
            fields.refuse(format!("`{name}` of {} is missing", fields.options().of), "");
            None
        }
    }
}

fn exactly(fields: &Fields<'_>, name: &str, word: &str) {
    let check = |text: &str| match text == word {
        true => Ok(()),
        false => Err(format!("expected `{word}`, got {}", Quoted::new(text))),
    };
    section(fields, name, |_| fields.parse(name, check));
}

/// A text that must be there and follow a rule.
fn required(fields: &Fields<'_>, name: &str, (rule, is_valid): (&str, fn(&str) -> bool)) -> Option<String> {
    let check = |text: &str| match is_valid(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{name}` is {rule}, got {}", Quoted::new(text))),
    };
    section(fields, name, |_| fields.parse(name, check))
}

fn summary(fields: &Fields<'_>) -> String {
    let check = |text: &str| match text.chars().count() > MAX_SUMMARY {
        true => Err(format!("`summary` has at most {MAX_SUMMARY} characters")),
        false => Ok(text.to_owned()),
    };
    fields.parse("summary", check).unwrap_or_default()
}

/// Any text, also an empty one.
fn prose(fields: &Fields<'_>, name: &str) -> String {
    fields.read(name, |node| node.as_str().map(str::to_owned)).unwrap_or_default()
}

fn read_metadata(fields: &Fields<'_>) -> Option<(String, String, String, String)> {
    let name = required(fields, "name", ("at least 3 characters", |text| text.chars().count() >= 3));
    let id = required(fields, "id", ("up to 64 small letters, digits, `_`, `.` and `-`", is_addon_id));
    let version = required(fields, "version", ("a version such as `1.2.3`", is_version));
    for name in ["description", "homepage", "license"] {
        prose(fields, name);
    }
    for node in fields.list("maintainers", Ok) {
        if let Some(maintainer) = fields.inner(node, MAINTAINER.of, &MAINTAINER) {
            for name in ["name", "email", "url"] {
                prose(&maintainer, name);
            }
        }
    }
    let summary = summary(fields);
    Some((name?, id?, version?, summary))
}

fn check_requires(fields: &Fields<'_>) {
    let _free =
        fields.read("flwd", |node| if node.value == Value::Nil { Ok(()) } else { node.as_table().map(drop) });
    fields.texts("permissions");
    for node in fields.list("containers", Ok) {
        if let Some(container) = fields.inner(node, ADDON_CONTAINER.of, &ADDON_CONTAINER) {
            required(&container, "image", ("an image", |text| !text.is_empty()));
            prose(&container, "platform");
            container.flag("verify_signatures");
        }
    }
}

fn jobs(fields: &Fields<'_>) -> Vec<AddonJob> {
    let mut jobs: Vec<AddonJob> = Vec::new();
    let listed = section(fields, "jobs", |_| Some(fields.list("jobs", Ok))).unwrap_or_default();
    if listed.is_empty() && fields.get("jobs").is_some_and(|node| node.as_list().is_ok()) {
        fields.refuse_option("jobs", "an add-on has at least one job", "");
    }
    for node in listed {
        let Some(job) = fields.inner(node, ADDON_JOB.of, &ADDON_JOB).and_then(|fields| job(&fields)) else {
            continue;
        };
        match jobs.iter().any(|other| other.id == job.id) {
            true => fields.mistakes().note(node.error(format!("the job `{}` is here already", job.id))),
            false => jobs.push(job),
        }
    }
    jobs
}

fn job(fields: &Fields<'_>) -> Option<AddonJob> {
    let id = required(fields, "id", ("at least 3 small letters, digits, `_`, `.`, `:` and `-`", is_job_id));
    let requirements = fields.table("requirements", &REQUIREMENTS);
    let name = prose(fields, "name");
    let job = AddonJob {
        id: String::new(),
        name,
        summary: summary(fields),
        description: prose(fields, "description"),
        extends: fields.texts("extends"),
        args: read_arguments(fields).0,
        tools: requirements.map(|fields| tools(&fields)).unwrap_or_default(),
        command: fields.read("command", command).unwrap_or_default(),
    };
    let id = id?;
    Some(AddonJob { name: if job.name.is_empty() { id.clone() } else { job.name }, id, ..job })
}

fn tools(fields: &Fields<'_>) -> Vec<Tool> {
    let listed = fields.list("tools", Ok).into_iter();
    let tool = |node| {
        let fields = fields.inner(node, TOOL.of, &TOOL)?;
        let version = fields.text_or_number("version");
        Some(Tool { name: required(&fields, "name", ("a name", |text| !text.is_empty()))?, version })
    };
    listed.filter_map(tool).collect()
}

/// A line for a shell, or a program with its arguments.
fn command(node: &Node) -> Result<Vec<String>, Diagnostic> {
    let empty = || node.error("`command` is empty");
    let word = |node: &Node| match node.as_text()? {
        text if text.contains('\0') => Err(node.error("a command must not have a NUL byte")),
        text => Ok(text),
    };
    match &node.value {
        Value::List(items) => {
            let words: Vec<String> = items.iter().map(word).collect::<Result<_, _>>()?;
            if words.first().is_none_or(String::is_empty) { Err(empty()) } else { Ok(words) }
        }
        Value::String(line) if line.trim().is_empty() => Err(empty()),
        Value::String(_) => Ok(vec!["sh".to_owned(), "-c".to_owned(), word(node)?]),
        Value::Table(_)
        | Value::Bytes(_)
        | Value::Number(_)
        | Value::Bool(_)
        | Value::Nil
        | Value::Other(_) => Err(node.expected("a string or a list of strings")),
    }
}

fn is_addon_id(text: &str) -> bool {
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=64).contains(&text.len())
        && text.starts_with(is_edge)
        && text.ends_with(is_edge)
        && text.chars().all(|c| is_edge(c) || matches!(c, '_' | '.' | '-'))
}

fn is_job_id(text: &str) -> bool {
    let is_other =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | ':' | '-');
    text.len() >= 3 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_other)
}

/// `1.2.3`, `1.2.3-pre.1`, `1.2.3+build`.
fn is_version(text: &str) -> bool {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (numbers, pre) = rest.split_once('-').map_or((rest, None), |(numbers, pre)| (numbers, Some(pre)));
    let is_tail = |tail: &str| {
        !tail.is_empty() && tail.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && pre.is_none_or(is_tail)
        && build.is_none_or(is_tail)
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
