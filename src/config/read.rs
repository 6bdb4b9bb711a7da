//! Reads `config.fnl`: its tables to settings, its mistakes to diagnostics.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::scope::EVENTS;
use super::settings::{Bind, Limits, SecretDecl, SecretSource, Settings};
use super::steps::read_steps;
use crate::model::{Diagnostic, JobId, RefName, RepoName, SecretName, parse_byte_size, parse_duration};
use crate::schema::{Node, Value};
use crate::script::data;

const KEYS: [&str; 8] = ["http", "secrets", "pass-env", "limits", "policy", "steps", "watch", "notify"];
const HTTP_KEYS: [&str; 2] = ["bind", "public-url"];
const SECRET_KEYS: [&str; 5] = ["file", "repos", "refs", "events", "jobs"];
const LIMIT_KEYS: [&str; 7] =
    ["runs", "jobs", "runs-per-push", "run-timeout", "step-timeout", "log-bytes", "vm-memory"];

/// Keys that a later version of quire will have.
const PLANNED: [&str; 1] = ["retention"];

/// Why `config.fnl` could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There are mistakes in it.
    #[error("config.fnl cannot be used")]
    Wrong(Vec<Diagnostic>),
}

/// Reads the settings from `config.fnl` at `path`. Without the file, everything is as it is by default.
///
/// # Errors
/// When the file is there and cannot be read, or with all mistakes in it.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    text_of(path)?.map_or_else(|| Ok(Settings::default()), |text| read(&text).map_err(ConfigError::Wrong))
}

/// The text of `config.fnl`; nothing when it is not there.
pub(super) fn text_of(path: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
    }
}

/// Reads settings from the text of a `config.fnl`.
///
/// # Errors
/// Gives all mistakes with their places.
pub fn read(text: &[u8]) -> Result<Settings, Vec<Diagnostic>> {
    let root = without_literals(data::read("config.fnl", text).map_err(without_addresses)?);
    let mut reader = Reader { wrong: Vec::new() };
    let settings = reader.settings(&root);
    if reader.wrong.is_empty() { Ok(settings) } else { Err(without_addresses(reader.wrong)) }
}

/// The same settings, whose mistakes show no value of a secret that stands beside them.
fn without_literals(root: Node) -> Node {
    let secrets = root.get("secrets").and_then(|table| table.as_table().ok()).unwrap_or_default();
    let literals = secrets.iter().filter(|(_, value)| matches!(value.value, Value::String(_)));
    let spans: Vec<_> = literals.map(|(_, value)| value.span).collect();
    if spans.is_empty() { root } else { root.hiding(&spans) }
}

/// What begins a text that may be a secret, or one in the wrong place: an address, and keys of targets.
const HIDDEN_AFTER: [&str; 7] =
    ["://", ":slack \"", ":discord \"", ":teams \"", ":webhook \"", ":hmac \"", ":password \""];

/// A line that is shown with a mistake is shown without what stands in its addresses.
fn without_addresses(mut wrong: Vec<Diagnostic>) -> Vec<Diagnostic> {
    for line in wrong.iter_mut().filter_map(|diagnostic| diagnostic.source_line.as_mut()) {
        for start in HIDDEN_AFTER {
            let mut shown = String::with_capacity(line.len());
            for (index, part) in line.split(start).enumerate() {
                let end = if index == 0 { 0 } else { part.find(['"', ' ']).unwrap_or(part.len()) };
                shown.push_str(if index == 0 { "" } else { start });
                shown.extend(part.char_indices().map(|(place, c)| if place < end { '*' } else { c }));
            }
            *line = shown;
        }
    }
    wrong
}

/// Collects the mistakes while it reads.
pub(super) struct Reader {
    pub(super) wrong: Vec<Diagnostic>,
}

impl Reader {
    /// The value, or nothing and one more mistake.
    pub(super) fn take<T>(&mut self, value: Result<T, Diagnostic>) -> Option<T> {
        value.map_err(|wrong| self.wrong.push(wrong)).ok()
    }

    fn settings(&mut self, root: &Node) -> Settings {
        let mut settings = Settings::default();
        let Some(pairs) = self.take(root.as_table()) else { return settings };
        for (key, value) in pairs {
            match key_text(key) {
                "http" => self.http(value, &mut settings),
                "secrets" => settings.secrets = self.secrets(value),
                "pass-env" => settings.pass_env = self.names(value),
                "limits" => settings.limits = self.limits(value),
                "policy" => {
                    settings.policy = self.policy(value);
                    settings.bundle = value.get("bundle").cloned();
                }
                "steps" => settings.steps = read_steps(self, value),
                "watch" => settings.watches = self.watches(value),
                "notify" => {} // below, when all secrets are known
                other => self.wrong.push(refused(key, other)),
            }
        }
        self.finish_watches(root, &settings);
        if let Some(table) = root.get("notify") {
            settings.notify = self.notify(table, &settings.secrets);
        }
        settings
    }

    fn http(&mut self, table: &Node, settings: &mut Settings) {
        let Some(pairs) = self.take(table.as_table()) else { return };
        for (key, value) in pairs {
            match key_text(key) {
                "bind" => {
                    if let Some(bind) = self.take(bind(value)) {
                        settings.bind = bind;
                    }
                }
                "public-url" => settings.public_url = self.take(public_url(value)),
                _ => self.wrong.push(key.unknown_key(&HTTP_KEYS)),
            }
        }
    }

    fn secrets(&mut self, table: &Node) -> Vec<SecretDecl> {
        let Some(pairs) = self.take(table.as_table()) else { return Vec::new() };
        pairs.iter().filter_map(|(key, value)| self.secret(key, value)).collect()
    }

    fn secret(&mut self, key: &Node, value: &Node) -> Option<SecretDecl> {
        let name = SecretName::parse(key_text(key)).map_err(|error| key.error(error.to_string()));
        let name = self.take(name);
        if let Value::String(literal) = &value.value {
            let source = SecretSource::Literal(SecretString::from(literal.clone()));
            let (repos, refs, events, jobs) = Default::default();
            return Some(SecretDecl { name: name?, source, repos, refs, events, jobs });
        }
        let help = "a secret is a string, or {:file \"/path\" :repos [\"name\"] :refs [\"refs/heads/main\"]}";
        let Ok(pairs) = value.as_table() else {
            self.wrong.push(value.expected("a string or a table").help(help));
            return None;
        };
        let (mut file, mut repos, mut refs) = (None, Vec::new(), Vec::new());
        let (mut events, mut jobs) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            match key_text(key) {
                "file" => file = self.take(absolute(value)),
                "repos" => repos = self.list(value, RepoName::parse),
                "refs" => refs = self.list(value, |text| RefName::parse(text.as_bytes())),
                "events" => events = self.list(value, event),
                "jobs" => jobs = self.list(value, JobId::parse),
                _ => self.wrong.push(key.unknown_key(&SECRET_KEYS)),
            }
        }
        if value.get("file").is_none() {
            self.wrong.push(value.error("this secret has no `:file`").help(help));
        }
        Some(SecretDecl { name: name?, source: SecretSource::File(file?), repos, refs, events, jobs })
    }

    /// A list of strings, each of which is read; an empty one is a mistake, because it would grant everything.
    pub(super) fn list<T, E: std::fmt::Display>(
        &mut self,
        list: &Node,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let Some(items) = self.take(list.as_list()) else { return Vec::new() };
        if items.is_empty() {
            self.wrong.push(
                list.error("an empty list grants nothing").help("leave the key out to grant it everywhere"),
            );
        }
        let mut parsed = Vec::new();
        for item in items {
            let value =
                item.as_str().and_then(|text| parse(text).map_err(|error| item.error(error.to_string())));
            parsed.extend(self.take(value));
        }
        parsed
    }

    fn names(&mut self, list: &Node) -> Vec<String> {
        let Some(items) = self.take(list.as_list()) else { return Vec::new() };
        items.iter().filter_map(|item| self.take(variable(item))).collect()
    }

    fn limits(&mut self, table: &Node) -> Limits {
        let mut limits = Limits::default();
        let Some(pairs) = self.take(table.as_table()) else { return limits };
        for (key, value) in pairs {
            let read = match key_text(key) {
                "runs" => count(value).map(|count| limits.runs = count),
                "jobs" => count(value).map(|count| limits.jobs = count),
                "runs-per-push" => count(value).map(|count| limits.runs_per_push = count),
                "run-timeout" => duration(value).map(|time| limits.run_timeout = time),
                "step-timeout" => duration(value).map(|time| limits.step_timeout = time),
                "log-bytes" => bytes(value, 64 << 10).map(|bytes| limits.log_bytes = bytes),
                "vm-memory" => bytes(value, 4 << 20).map(|bytes| limits.vm_memory = bytes),
                _ => Err(key.unknown_key(&LIMIT_KEYS)),
            };
            self.take(read);
        }
        limits
    }
}

pub(super) fn key_text(key: &Node) -> &str {
    key.as_str().unwrap_or_default()
}

/// The mistake of a key that `config.fnl` does not have, or does not have any more or yet.
fn refused(key: &Node, name: &str) -> Diagnostic {
    if PLANNED.contains(&name) {
        return key
            .error(format!("`:{name}` is not in this version of quire"))
            .help("take it out until it is");
    }
    if name == "mirror" || name == "github" {
        let help = "write a `:mirror` job in .quire/ci.fnl instead; CI-FENNEL.md shows it in ten lines";
        return key.error(format!("`:{name}` is not a setting: mirroring is a job")).help(help);
    }
    key.unknown_key(&KEYS)
}

fn bind(node: &Node) -> Result<Bind, Diagnostic> {
    let text = node.as_str()?;
    if text == "none" {
        return Ok(Bind::Nothing);
    }
    let help = "write it as \"127.0.0.1:7878\", or \"none\"";
    text.parse::<SocketAddr>()
        .map(Bind::Address)
        .map_err(|_| node.error(format!("`{text}` is not an address with a port")).help(help))
}

fn public_url(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = rest.is_some_and(|rest| !rest.is_empty()) && text.chars().all(|c| c.is_ascii_graphic());
    if fits {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(node.error(format!("`{text}` is not an address")).help("write it as \"https://git.example.org\""))
    }
}

pub(super) fn absolute(node: &Node) -> Result<PathBuf, Diagnostic> {
    let path = PathBuf::from(node.as_str()?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(node.error("the file of a secret is named by an absolute path").help("begin it with `/`"))
    }
}

fn event(text: &str) -> Result<String, String> {
    let known = EVENTS.iter().find(|known| **known == text);
    known.map(|known| (*known).to_owned()).ok_or_else(|| {
        let why = if text == "manual" { " in this version of quire" } else { "" };
        format!("nothing is started by `{text}`{why}: the events are `{}`", EVENTS.join("` and `"))
    })
}

fn variable(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    if !text.is_empty() && !text.contains(['=', '\0']) {
        Ok(text.to_owned())
    } else {
        Err(node.error(format!("`{text}` is not the name of a variable")))
    }
}

pub(super) fn count(node: &Node) -> Result<usize, Diagnostic> {
    node.as_integer(1, 10_000).map(|count| count as usize)
}

pub(super) fn duration(node: &Node) -> Result<Duration, Diagnostic> {
    let time = match node.value {
        Value::Number(_) => Duration::from_secs(node.as_integer(1, u32::MAX)?.into()),
        Value::String(_) => parse_duration(node.as_str()?).map_err(|error| node.error(error.to_string()))?,
        Value::Table(_) | Value::List(_) | Value::Bool(_) | Value::Nil => {
            return Err(node.expected("a duration such as \"30m\""));
        }
    };
    if time.is_zero() { Err(node.error("no time at all is not a limit")) } else { Ok(time) }
}

pub(super) fn bytes(node: &Node, least: u64) -> Result<u64, Diagnostic> {
    let size = match node.value {
        Value::Number(_) => node.as_integer(0, u32::MAX)?.into(),
        Value::String(_) => parse_byte_size(node.as_str()?).map_err(|error| node.error(error.to_string()))?,
        Value::Table(_) | Value::List(_) | Value::Bool(_) | Value::Nil => {
            return Err(node.expected("a size such as \"64MiB\""));
        }
    };
    if size < least {
        return Err(node.error(format!("{size} bytes are fewer than the {least} that are needed")));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let wrong = read(text.as_bytes()).unwrap_err();
        wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect()
    }

    #[test]
    fn the_example_of_the_design_is_read() {
        let text = r#"
          {:http {:bind "127.0.0.1:7878" :public-url "https://git.example.org/"}
           :secrets {:github_token {:file "/run/secrets/github_token"}
                     :slack_webhook "https://…"
                     :deploy_key {:file "/k" :repos ["site"] :refs ["refs/heads/main"]}}
           :pass-env ["SSH_AUTH_SOCK"]
           :limits {:runs 3 :run-timeout "1h" :log-bytes "64MiB"}}"#;
        let settings = read(text.as_bytes()).unwrap();
        assert_eq!(settings.public_url.as_deref(), Some("https://git.example.org"));
        assert_eq!((settings.limits.runs, settings.limits.jobs), (3, 4));
        assert_eq!(settings.pass_env, ["SSH_AUTH_SOCK"]);
        let grant = |repo: &str, name: &str| {
            let ref_name = RefName::parse(name.as_bytes()).unwrap();
            let repo = RepoName::parse(repo).unwrap();
            let asker = crate::config::Asker { repo: Some(&repo), ref_name: &ref_name, event: "push" };
            settings.secrets.iter().filter(|secret| secret.missing(asker).is_empty()).count()
        };
        assert_eq!(grant("site", "refs/heads/main"), 3);
        assert_eq!((grant("site", "refs/tags/main"), grant("other", "refs/heads/main")), (2, 2));
    }

    #[test]
    fn every_mistake_is_found_with_its_place() {
        let text = "{:htpp {}\n :mirror {}\n :retention {}\n :secrets {:1a \"x\" :b {:fil \"/x\"} :c 3 :d {:file \"rel\" :repos []}}\n :limits {:runs 0 :step-timeout \"soon\" :vm-memory \"1KiB\"}}";
        assert_eq!(
            problems(text),
            [
                "config.fnl:1:2: there is no key `:htpp` here",
                "config.fnl:2:2: `:mirror` is not a setting: mirroring is a job",
                "config.fnl:3:2: `:retention` is not in this version of quire",
                "config.fnl:4:12: `1a` is not a secret's name: 1 to 64 letters, digits, `_` and `-`, beginning with a letter or `_`, are",
                "config.fnl:4:24: there is no key `:fil` here",
                "config.fnl:4:23: this secret has no `:file`",
                "config.fnl:4:38: a string or a table is expected here, and this is a number",
                "config.fnl:4:50: the file of a secret is named by an absolute path",
                "config.fnl:4:63: an empty list grants nothing",
                "config.fnl:5:17: a whole number from 1 to 10000 is expected here, and this is 0",
                "config.fnl:5:33: `soon` is not a duration: write it as \"90s\", \"5m\" or \"1h30m\"",
                "config.fnl:5:51: 1024 bytes are fewer than the 4194304 that are needed",
            ]
        );
        assert_eq!(problems("(print 1)").len(), 1);
        assert_eq!(problems("{:secrets").len(), 1);
    }

    #[test]
    fn a_secret_beside_a_mistake_is_not_shown() {
        let text = "{:secrets {:a \"hunter2é\" :b \"hunt\ner3\" :c 3} :limit {:x 1} :steps {:user \"no-such-user\"}}";
        let shown = crate::model::render_all(&read(text.as_bytes()).unwrap_err());
        assert!(
            !shown.contains("hunt") && !shown.contains("er3") && shown.contains(":limit {:x 1}"),
            "{shown}"
        );
        let settings = read(b"{:secrets {:a \"hunter2\"} :steps {:user \"no-such-user\"}}").unwrap();
        let wrong = settings.steps.user.unwrap().account(Path::new("/var/quire")).unwrap_err();
        assert!(
            !wrong.render().contains("hunter2") && wrong.render().contains("^^^^^"),
            "{}",
            wrong.render()
        );
    }

    #[test]
    fn silence_means_the_defaults() {
        assert_eq!(read(b"").unwrap().limits, Limits::default());
        assert!(
            matches!(load(Path::new("/no/such/config.fnl")), Ok(settings) if settings.secrets.is_empty())
        );
        assert!(matches!(load(Path::new("/")), Err(ConfigError::Read { .. })));
    }
}
