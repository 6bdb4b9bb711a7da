//! `:sources`: asks a `flwd :serve` about the sources of its jobs.

use std::io::Read as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::cli::exit::{Code, Ended, Failure, print, print_json};
use crate::cli::jobs::table;
use crate::cli::place::variable;
use crate::model::percent_encoded;
use crate::sys::web_client::{WebRequest, WebServer};
use crate::view::plain;

/// Where a server is asked when nobody says.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// The longest silence of a server that clones or pulls.
const PATIENCE: Duration = Duration::from_secs(300);

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 16 << 20;

/// The columns of the list.
const COLUMNS: [(&str, &str); 6] = [
    ("NAME", "name"),
    ("TYPE", "type"),
    ("REF", "ref"),
    ("DIGEST", "digest"),
    ("PULL POLICY", "pull_policy"),
    ("EXPOSE", "expose"),
];

/// The words of a call.
#[derive(Debug, Default)]
struct Words {
    words: Vec<String>,
    options: Map<String, Value>,
}

/// The options, by their names in a request, and whether each is a switch.
const OPTIONS: [(&str, &str, bool); 11] = [
    ("server", "server", false),
    ("token", "token", false),
    ("json", "json", true),
    ("type", "type", false),
    ("name", "name", false),
    ("ref", "ref", false),
    ("url", "url", false),
    ("pull-policy", "pull_policy", false),
    ("trusted", "trusted", true),
    ("verify-signatures", "verify_signatures", true),
    ("expose", "expose", false),
];

/// `:sources list`, `add` and `remove`.
pub(super) fn perform(words: &[&str]) -> Ended {
    let Words { words, mut options } = Words::read(words)?;
    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    let address = text(options.remove("server")).or_else(|| variable("FLWD_API"));
    let token = text(options.remove("token")).or_else(|| variable("FLWD_TOKEN"));
    let as_json = options.remove("json").is_some();
    let server = Server::new(&address.unwrap_or_else(|| DEFAULT_SERVER.to_owned()), token)?;
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["list"] if options.is_empty() => {
            let listed = server.ask("GET", "/sources", None)?;
            if as_json {
                print_json(&listed);
            } else {
                print(&text_of(listed.as_array().map(Vec::as_slice).unwrap_or_default()));
            }
        }
        ["add"] => {
            options.entry("type").or_insert_with(|| "oci".into());
            expect_complete(&options)?;
            let (added, is_new) = server.ask_for_new(&Value::Object(options))?;
            let word = if is_new { "added" } else { "updated" };
            let shown = |name: &str| added.get(name).and_then(Value::as_str).map(plain).unwrap_or_default();
            if as_json {
                print_json(&added);
            } else {
                print(&format!("Source {} ({}) {word}\n", shown("name"), shown("type")));
            }
        }
        ["remove", name] if options.is_empty() => {
            server.ask("DELETE", &format!("/sources/{}", percent_encoded(name)), None)?;
            print(&format!("Source {} removed\n", plain(name)));
        }
        _ => {
            let wrong =
                Failure::new(Code::Usage, "write :sources list, :sources add … or :sources remove NAME");
            return Err(wrong.hint("flwd :sources add --type local --name extras --ref ../extra-scripts"));
        }
    }
    Ok(Code::Done)
}

/// What that program checks before it asks.
fn expect_complete(options: &Map<String, Value>) -> Result<(), Failure> {
    let has = |name: &str| options.contains_key(name);
    if options.get("type") == Some(&json!("oci")) {
        if !has("trusted") {
            return Err(Failure::new(Code::Usage, "oci sources require --trusted to be set explicitly"));
        }
        if !has("ref") && !has("url") {
            return Err(Failure::new(Code::Usage, "oci sources require --ref or --url"));
        }
    }
    Ok(())
}

impl Words {
    fn read(given: &[&str]) -> Result<Self, Failure> {
        let mut read = Self::default();
        let mut given = given.iter();
        while let Some(word) = given.next() {
            let Some(flag) = word.strip_prefix("--") else {
                read.words.push((*word).to_owned());
                continue;
            };
            let (name, own) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
            let Some((_, field, is_switch)) = OPTIONS.iter().find(|(known, _, _)| *known == name) else {
                return Err(Failure::new(Code::Usage, format!("unknown flag: --{}", plain(name))));
            };
            let value = match (own, is_switch) {
                (None, true) => Value::Bool(true),
                (Some(value), true) => Value::Bool(value != "false"),
                (Some(value), false) => Value::from(value),
                (None, false) => {
                    let missing = || Failure::new(Code::Usage, format!("a value is missing after --{name}"));
                    Value::from(*given.next().ok_or_else(missing)?)
                }
            };
            read.options.insert((*field).to_owned(), value);
        }
        Ok(read)
    }
}

/// A server, and who asks it.
struct Server {
    address: String,
    server: WebServer,
    token: Option<String>,
}

impl Server {
    fn new(address: &str, token: Option<String>) -> Result<Self, Failure> {
        let server = WebServer::parse(address).map_err(|problem| {
            Failure::new(Code::Usage, format!("--server {}: {problem}", plain(address)))
                .hint("write --server http://127.0.0.1:8080")
        })?;
        Ok(Self { address: address.to_owned(), server, token })
    }

    /// The JSON of an answer; null when it has no body.
    fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.send(method, target, body).map(|(_, answer)| answer)
    }

    /// The source that was added, and whether it is new.
    fn ask_for_new(&self, body: &Value) -> Result<(Value, bool), Failure> {
        self.send("POST", "/sources", Some(body)).map(|(status, answer)| (answer, status == 201))
    }

    fn send(&self, method: &str, target: &str, body: Option<&Value>) -> Result<(u16, Value), Failure> {
        let broken = |error: &dyn std::fmt::Display| {
            Failure::new(Code::Broken, format!("could not ask {}: {error}", plain(&self.address)))
                .hint("is `flwd :serve` running? another address is given with --server or FLWD_API")
        };
        let headers = self.token.iter().map(|token| ("Authorization", format!("Bearer {token}"))).collect();
        let body = body.map(|body| body.to_string().into_bytes());
        let request = WebRequest { method, target, headers, body, patience: PATIENCE };
        let answer = self.server.send(&request).map_err(|error| broken(&error))?;
        let status = answer.status;
        let mut text = String::new();
        answer.body.take(MAX_ANSWER).read_to_string(&mut text).map_err(|error| broken(&error))?;
        if !(200..300).contains(&status) {
            return Err(Failure::new(Code::Failed, format!("API error {status}: {}", plain(text.trim()))));
        }
        if text.trim().is_empty() {
            return Ok((status, Value::Null));
        }
        serde_json::from_str(&text).map(|answer| (status, answer)).map_err(|error| broken(&error))
    }
}

/// The sources as a table.
fn text_of(sources: &[Value]) -> String {
    if sources.is_empty() {
        return "(no sources configured)\n".to_owned();
    }
    let row = |source: &Value| {
        COLUMNS.map(|(_, field)| source.get(field).and_then(Value::as_str).map(plain).unwrap_or_default())
    };
    let mut rows = vec![COLUMNS.map(|(title, _)| title.to_owned())];
    rows.extend(sources.iter().map(row));
    table(&rows)
}
