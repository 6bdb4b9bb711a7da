//! `flwd.yaml`: other names of jobs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::discovery::{FolderError, FolderJob};
use super::read_config::without_nothing;
use crate::model::Quoted;
use crate::schema::job_folder::{ALIAS, ALIAS_FILE};
use crate::schema::{Fields, Mistakes, Value, read_yaml};

/// The longest `flwd.yaml`, in bytes.
pub(super) const MAX_ALIAS_FILE: usize = 256 << 10;

/// The longest name of an alias.
const MAX_NAME: usize = 100;

/// Words of the command line that cannot be aliases.
const VERBS: [&str; 6] = ["completion", "init", "help", "version", "__complete", "__completeNoDesc"];

/// Another name of a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Alias {
    pub(crate) name: String,
    /// The slash path of the job.
    pub(crate) target_path: String,
    /// The id of the job.
    pub(crate) target_id: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}

/// Why an alias cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct InvalidAlias {
    /// `alias.reserved`, `alias.name.conflict` or `alias.target.invalid`.
    pub(crate) code: &'static str,
    /// The reason.
    pub(crate) detail: String,
}

/// The aliases of a folder of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Aliases {
    /// Those that can be used, sorted by name. Of several with one name the first one.
    pub(crate) valid: Vec<Alias>,
    /// All that have a name in common, by that name in small letters.
    pub(crate) collisions: BTreeMap<String, Vec<Alias>>,
    /// Those that cannot be used, by name in small letters.
    pub(crate) invalid: BTreeMap<String, InvalidAlias>,
    /// What is wrong with the file itself.
    pub(crate) errors: Vec<FolderError>,
}

/// One entry of the file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    from: String,
    to: String,
    description: Option<String>,
}

impl Aliases {
    /// Reads the text of a file; `path` is its name in errors, `find` looks a job up by any of its names.
    pub(super) fn parse<'a>(path: &str, text: &[u8], find: impl Fn(&str) -> Option<&'a FolderJob>) -> Self {
        let mut aliases = Self::default();
        let mut refuse = |error: String| aliases.errors.push(FolderError::new(path, error));
        let Ok(text) = std::str::from_utf8(text) else {
            refuse("the file is not UTF-8 text".to_owned());
            return aliases;
        };
        let (root, wrong) = read_yaml("flwd.yaml", text);
        let mistakes = Mistakes::default();
        let root = root.map(without_nothing).filter(|root| wrong.is_empty() && root.value != Value::Nil);
        let entries = root.and_then(|root| Some(read_entries(&Fields::open(&root, &ALIAS_FILE, &mistakes)?)));
        for wrong in wrong.into_iter().chain(mistakes.into_sorted()) {
            refuse(super::config::ConfigProblem::from(&wrong).to_string());
        }
        let mut entries = entries.unwrap_or_default();
        entries.sort();
        entries.dedup_by(|a, b| a.from == b.from && a.to == b.to);
        for entry in entries {
            aliases.add(path, entry, &find);
        }
        let several = |aliases: &Vec<Alias>| aliases.len() > 1;
        aliases.collisions.retain(|_, same| several(same));
        aliases.valid.sort();
        aliases
    }

    fn add<'a>(&mut self, path: &str, entry: Entry, find: &impl Fn(&str) -> Option<&'a FolderJob>) {
        let Entry { from, to, description } = entry;
        let name = to.to_lowercase();
        let mut invalid = |code, detail| {
            self.invalid.entry(name.clone()).or_insert(InvalidAlias { code, detail });
        };
        let shown = Quoted::new(&to);
        if let Some(wrong) = name_mistake(&to) {
            return self.errors.push(FolderError::new(path, format!("the alias {shown} {wrong}")));
        }
        if to.starts_with(':') {
            return invalid("alias.reserved", format!("{shown}: names that start with `:` are commands"));
        }
        if VERBS.contains(&name.as_str()) {
            return invalid("alias.name.conflict", format!("{shown} is a command"));
        }
        if let Some(job) = find(&to) {
            return invalid("alias.name.conflict", format!("{shown} is the job {}", Quoted::new(&job.id)));
        }
        let Some(job) = find(&from) else {
            return invalid("alias.target.invalid", format!("{shown}: no job {}", Quoted::new(&from)));
        };
        let alias = Alias { name: to, target_path: job.path.clone(), target_id: job.id.clone(), description };
        let same = self.collisions.entry(name).or_default();
        if same.is_empty() {
            self.valid.push(alias.clone());
        }
        same.push(alias);
    }

    /// The alias of this name, in any case.
    pub(crate) fn find(&self, name: &str) -> Option<&Alias> {
        let name = name.to_lowercase();
        self.valid.iter().find(|alias| alias.name.to_lowercase() == name)
    }
}

/// The entries that can be read.
fn read_entries(fields: &Fields<'_>) -> Vec<Entry> {
    let entries = fields.list("aliases", Ok).into_iter().filter_map(|node| {
        let fields = fields.inner(node, ALIAS.of, &ALIAS)?;
        for name in ["from", "to"] {
            if fields.get(name).is_none() {
                fields.refuse(format!("`{name}` of the alias is missing"), ALIAS.example);
            }
        }
        let text = |name| fields.read(name, |node| node.as_text().map(|text| text.trim().to_owned()));
        let from = text("from")?.replace([' ', '\t'], "").replace([':', '\\'], "/");
        let description = text("description").filter(|text| !text.is_empty());
        Some(Entry { from, to: text("to")?, description })
    });
    entries.collect()
}

/// Why a text is no name of an alias.
fn name_mistake(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("must not be empty"),
        _ if name.len() > MAX_NAME => Some("has more than 100 bytes"),
        _ if name.contains('/') => Some("must not have a `/`"),
        _ if name.starts_with('-') => Some("must not start with `-`"),
        _ if name.chars().any(|c| c.is_whitespace() || c.is_control()) => Some("must be one word"),
        _ => None,
    }
}
