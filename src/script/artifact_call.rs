//! What a job asks to keep: the arguments of `artifact`, and the entries of `:artifacts`.

use crate::model::Diagnostic;
use crate::schema::pipeline::ARTIFACT_ENTRY;
use crate::schema::{Fields, Node, Value};

/// The most entries of `:artifacts`.
const MAX_ENTRIES: usize = 100;

/// Files to keep with the run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArtifactCall {
    /// A file, a folder or a pattern, as written.
    pub path: String,
    /// The name of one file, or the folder that several get.
    pub save_as: Option<String>,
    /// After how many days they are removed; otherwise they stay as long as their run.
    pub keep_days: Option<u32>,
    /// Whether the value of a secret may be in them.
    pub allow_secrets: bool,
    /// Whether each is a test report, whatever its name.
    pub is_report: bool,
}

impl ArtifactCall {
    /// Reads the options of a call for a path.
    pub(super) fn read(path: String, fields: &Fields<'_>) -> Self {
        Self {
            path,
            save_as: fields.text("as"),
            keep_days: fields.count("keep-days"),
            allow_secrets: fields.flag("allow-secrets").unwrap_or(false),
            is_report: fields.word("report").is_some(),
        }
    }

    /// Reads the option `:artifacts` of a job: a path, or a list of paths and tables with `:path`.
    pub(crate) fn read_list(fields: &Fields<'_>) -> Vec<Self> {
        let Some(node) = fields.get("artifacts") else { return Vec::new() };
        if let Value::String(path) = &node.value {
            return entry_of_path(fields, node, path).into_iter().collect();
        }
        let is_table = node.as_list().is_err() && node.as_table().is_ok();
        let items = if is_table { std::slice::from_ref(node) } else { list(fields, node) };
        if items.len() > MAX_ENTRIES {
            let message = format!("there are {} entries, and a job has at most {MAX_ENTRIES}", items.len());
            fields.refuse_option("artifacts", message, "name a folder, or a pattern such as \"dist/**\"");
            return Vec::new();
        }
        items.iter().filter_map(|item| entry(fields, item)).collect()
    }
}

fn list<'a>(fields: &Fields<'a>, node: &'a Node) -> &'a [Node] {
    let wrong = |_| node.expected("a path, or a list of paths").help(ARTIFACT_ENTRY.example);
    fields.value("artifacts", node.as_list().map_err(wrong)).unwrap_or_default()
}

fn entry(fields: &Fields<'_>, node: &Node) -> Option<ArtifactCall> {
    if let Value::String(path) = &node.value {
        return entry_of_path(fields, node, path);
    }
    let table = fields.inner(node, ARTIFACT_ENTRY.of, &ARTIFACT_ENTRY)?;
    if table.get("path").is_none() {
        table.refuse("an entry of `:artifacts` has no `:path`", ARTIFACT_ENTRY.example);
    }
    let path = table.text("path")?;
    Some(ArtifactCall::read(path, &table))
}

fn entry_of_path(fields: &Fields<'_>, node: &Node, path: &str) -> Option<ArtifactCall> {
    let path: Result<String, Diagnostic> = match path {
        "" => Err(node.error("the path is empty")),
        path => Ok(path.to_owned()),
    };
    Some(ArtifactCall { path: fields.value("artifacts", path)?, ..ArtifactCall::default() })
}
