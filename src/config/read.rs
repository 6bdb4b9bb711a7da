//! Reads `config.fnl`: its tables to settings, its mistakes to diagnostics.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::bind::Bind;
use super::scope::EVENTS;
use super::settings::{Limits, SecretDecl, SecretSource, Settings};
use super::{access, http, notify_read, policy, steps, watch};
use crate::event::Trigger;
use crate::model::{Diagnostic, JobId, RefName, RepoName, SecretName};
use crate::schema::settings::{AUDIT, CONFIG, HTTP, LIMITS, POLICY, SECRET, STEPS};
use crate::schema::{Fields, Mistakes, Node, Value};
use crate::script::data;

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
    let mistakes = Mistakes::default();
    let read = Fields::open(&root, &CONFIG, &mistakes).map(|fields| settings(&fields)).unwrap_or_default();
    let wrong = watch::without_passwords(&root, mistakes.into_sorted());
    if wrong.is_empty() { Ok(read) } else { Err(without_addresses(wrong)) }
}

/// The same settings, whose mistakes show no value of a secret on the same line.
fn without_literals(root: Node) -> Node {
    let secrets = root.get("secrets").and_then(|table| table.as_table().ok()).unwrap_or_default();
    let literals = secrets.iter().filter(|(_, value)| matches!(value.value, Value::String(_)));
    let spans: Vec<_> = literals.filter_map(|(_, value)| value.span).collect();
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

fn settings(fields: &Fields<'_>) -> Settings {
    let mut settings = Settings::default();
    if let Some(table) = fields.table("http", &HTTP) {
        settings.bind = table.read("bind", bind).unwrap_or(settings.bind);
        settings.public_url = table.read("public-url", public_url);
        settings.http = http::read(&table);
    }
    settings.access = access::read_access(fields);
    settings.protected = access::read_protected(fields);
    settings.command = fields.read("command", command);
    let secrets = fields.entries("secrets").iter();
    settings.secrets = secrets.filter_map(|(key, value)| secret(fields, key, value)).collect();
    settings.pass_env = fields.list("pass-env", variable);
    if let Some(limits) = fields.table("limits", &LIMITS) {
        settings.limits = self::limits(&limits);
    }
    if let Some(policy) = fields.table("policy", &POLICY) {
        settings.policy = policy::read(&policy);
        settings.bundle = policy.get("bundle").cloned();
    }
    if let Some(steps) = fields.table("steps", &STEPS) {
        settings.steps = steps::read(&steps);
    }
    settings.watches = watch::read(fields);
    settings.audit_file = fields.table("audit", &AUDIT).and_then(|audit| audit.read("file", audit_file));
    settings.notify = notify_read::read(fields, &settings.secrets);
    settings
}

fn secret(fields: &Fields<'_>, key: &Node, value: &Node) -> Option<SecretDecl> {
    let name = fields.value("secrets", key.parse(SecretName::parse));
    if let Value::String(literal) = &value.value {
        let source = SecretSource::Literal(SecretString::from(literal.clone()));
        let (repos, refs, events, jobs) = Default::default();
        return Some(SecretDecl { name: name?, source, repos, refs, events, jobs });
    }
    let help = "a secret is a string, or {:file \"/path\" :repos [\"name\"] :refs [\"refs/heads/main\"]}";
    if value.as_table().is_err() {
        return fields.value("secrets", Err(value.expected("a string or a table").help(help)));
    }
    let secret = fields.inner(value, SECRET.of, &SECRET)?;
    if secret.get("file").is_none() {
        secret.refuse("this secret has no `:file`", help);
    }
    let file = secret.read("file", absolute);
    let (repos, events) = (secret.scope("repos", RepoName::parse), secret.scope("events", event));
    let refs = secret.scope("refs", |text| RefName::parse(text.as_bytes()));
    let jobs = secret.scope("jobs", JobId::parse);
    Some(SecretDecl { name: name?, source: SecretSource::File(file?), repos, refs, events, jobs })
}

fn limits(fields: &Fields<'_>) -> Limits {
    let default = Limits::default();
    let count = |name, default| fields.count(name).map_or(default, |count| count as usize);
    Limits {
        runs: count("runs", default.runs),
        jobs: count("jobs", default.jobs),
        runs_per_push: count("runs-per-push", default.runs_per_push),
        runs_per_minute: count("runs-per-minute", default.runs_per_minute),
        run_timeout: fields.duration("run-timeout").unwrap_or(default.run_timeout),
        step_timeout: fields.duration("step-timeout").unwrap_or(default.step_timeout),
        log_bytes: fields.size("log-bytes").unwrap_or(default.log_bytes),
        artifact_bytes: fields.size("artifact-bytes").unwrap_or(default.artifact_bytes),
        vm_memory: fields.size("vm-memory").unwrap_or(default.vm_memory),
    }
}

fn bind(node: &Node) -> Result<Bind, Diagnostic> {
    let help = "write it as \"127.0.0.1:7878\", \"localhost:7878\" or \"none\"";
    let text = node.as_str().map_err(|wrong| wrong.help(help))?;
    Bind::parse(text).ok_or_else(|| node.error(format!("`{text}` is not an address with a port")).help(help))
}

fn public_url(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = rest.is_some_and(|rest| !rest.is_empty()) && text.chars().all(|c| c.is_ascii_graphic());
    if rest.is_some_and(|rest| rest.split('/').next().is_some_and(|host| host.contains('@'))) {
        // The text is not repeated: it may hold a password.
        let wrong = node.error("the address of the pages must not contain a user or password");
        return Err(wrong.help("leave out what is before `@`"));
    }
    if fits {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(node.error(format!("`{text}` is not an address")).help("write it as \"https://git.example.org\""))
    }
}

fn command(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(node
            .error("a command is one line")
            .help("write it as \"ssh git@git.example.org quire\""));
    }
    Ok(text.trim().to_owned())
}

fn absolute(node: &Node) -> Result<PathBuf, Diagnostic> {
    absolute_path(node, "the file of a secret")
}

fn audit_file(node: &Node) -> Result<PathBuf, Diagnostic> {
    absolute_path(node, "the file of the audit")
}

fn absolute_path(node: &Node, what: &str) -> Result<PathBuf, Diagnostic> {
    let path = PathBuf::from(node.as_str()?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(node.error(format!("{what} is named by an absolute path")).help("begin it with `/`"))
    }
}

fn event(text: &str) -> Result<Trigger, String> {
    let event = Trigger::parse(text);
    event.filter(|event| EVENTS.contains(event)).ok_or_else(|| {
        let why = if event.is_some() { " in this version of quire" } else { "" };
        let events = EVENTS.map(Trigger::as_str).join("`, `");
        format!("nothing is started by `{text}`{why}: the events are `{events}`")
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
            let asker =
                crate::config::Asker { repo: Some(&repo), ref_name: Some(&ref_name), event: Trigger::Push };
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
                "config.fnl:1:2: unknown option `:htpp` of `config.fnl`",
                "config.fnl:2:2: `:mirror` is not a setting: mirroring is a job",
                "config.fnl:3:2: `:retention` of `config.fnl` is not in this version of quire",
                "config.fnl:4:12: `1a` is not a valid secret name: use 1 to 64 letters, digits, `_` or `-`, starting with a letter or `_`",
                "config.fnl:4:23: this secret has no `:file`",
                "config.fnl:4:24: unknown option `:fil` of a secret",
                "config.fnl:4:38: expected a string or a table, got the number 3",
                "config.fnl:4:50: the file of a secret is named by an absolute path",
                "config.fnl:4:63: an empty list grants nothing",
                "config.fnl:5:17: expected a whole number from 1 to 10000, got the number 0",
                "config.fnl:5:33: `soon` is not a duration: write it as \"90s\", \"5m\" or \"1h30m\"",
                "config.fnl:5:51: 1KiB is less than 4MiB",
            ]
        );
        assert_eq!(problems("(print 1)").len(), 1);
        assert_eq!(problems("{:secrets").len(), 1);
    }

    #[test]
    fn a_secret_next_to_a_mistake_is_not_shown() {
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
