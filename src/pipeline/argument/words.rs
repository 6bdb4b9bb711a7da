//! Arguments as words of a command line: `--name alice --tags a --tags b --loud --labels team=ops`.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::resolve::{ArgError, ArgErrorKind, EMPTY_KEY, plain, unknown};
use super::spec::{ArgKind, ArgSpec};
use crate::model::Quoted;

/// The arguments of a command line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GivenWords {
    /// Values by name, secrets that were written out too.
    pub(crate) values: Map<String, Value>,
    /// The secrets that are elsewhere: the caller reads them and adds them to the values.
    pub(crate) secrets: BTreeMap<String, SecretWord>,
    /// What works, but should not be done.
    pub(crate) warnings: Vec<String>,
}

/// What a secret begins with that is written as it is, although it looks like a place: `text:@home`.
const LITERAL: &str = "text:";

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretWord {
    /// `-`: standard input.
    Stdin,
    /// `@FILE`.
    File(String),
    /// `env:NAME`.
    Variable(String),
}

/// Reads the words after a job, and gives every one that cannot be read. What they mean is checked by [`resolve`](super::resolve()).
pub(crate) fn read_words(specs: &[ArgSpec], words: &[String]) -> (GivenWords, Vec<ArgError>) {
    let mut given = GivenWords::default();
    let mut wrong = Vec::new();
    let mut rest = words.iter().map(String::as_str).peekable();
    while let Some(word) = rest.next() {
        let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
            if word != "--" {
                wrong.push(unexpected(word));
                continue;
            }
            // There is nothing but arguments with names.
            wrong.extend(rest.by_ref().map(unexpected));
            continue;
        };
        let (name, own) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
            wrong.push(unknown(specs, name, ("flag", "--")));
            // Its value is not a mistake of its own.
            if own.is_none() && rest.peek().is_some_and(|next| !next.starts_with('-')) {
                rest.next();
            }
            continue;
        };
        let value = match (own, spec.is_flag()) {
            (Some(value), _) => Some(value),
            (None, true) => Some(rest.next_if(|next| matches!(*next, "true" | "false")).unwrap_or("true")),
            (None, false) => rest.next_if(|next| !is_flag_of(specs, next)),
        };
        let read = value
            .ok_or_else(|| spec.rule(format!("a value is missing; write --{} VALUE", spec.name)))
            .and_then(|value| given.add(spec, value));
        wrong.extend(read.err());
    }
    (given, wrong)
}

impl ArgSpec {
    /// The value of this argument that was read as text.
    ///
    /// # Errors
    /// It has another type.
    pub(crate) fn value_of_text(&self, text: &str) -> Result<Value, ArgError> {
        scalar(self, self.kind, text)
    }

    /// The warning that a secret was written out on a command line.
    pub(crate) fn shown_warning(&self) -> String {
        let name = &self.name;
        format!(
            "the value of --{name} is in the list of processes and in the history of the shell; \
             give it as --{name} -, --{name} @FILE or --{name} env:NAME"
        )
    }
}

fn unexpected(word: &str) -> ArgError {
    let message = format!("unexpected word {}: arguments are written --name VALUE", Quoted::new(word));
    ArgError { arg: String::new(), kind: ArgErrorKind::Unknown, message }
}

/// Whether a word is another flag of the job, so that a value is missing before it.
fn is_flag_of(specs: &[ArgSpec], word: &str) -> bool {
    let Some(flag) = word.strip_prefix("--") else { return false };
    let name = flag.split_once('=').map_or(flag, |(name, _)| name);
    specs.iter().any(|spec| spec.name == name)
}

impl GivenWords {
    fn add(&mut self, spec: &ArgSpec, word: &str) -> Result<(), ArgError> {
        if self.has(&spec.name) && !matches!(spec.kind, ArgKind::Array | ArgKind::Object) {
            return Err(spec.rule(format!("--{} is given twice", spec.name)));
        }
        if spec.is_secret {
            return self.add_secret(spec, word);
        }
        match spec.kind {
            ArgKind::Array => {
                let item = scalar(spec, spec.inner_kind(), word)?;
                let items = self.values.entry(&spec.name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(items) = items {
                    items.push(item);
                }
            }
            ArgKind::Object => {
                let (key, value) = word
                    .split_once('=')
                    .ok_or_else(|| spec.rule(format!("invalid pair \"{}\", expected k=v", plain(word))))?;
                if key.is_empty() {
                    return Err(spec.rule(format!("{EMPTY_KEY}; write --{} KEY=VALUE", spec.name)));
                }
                let value = scalar(spec, spec.inner_kind(), value)?;
                let pairs = self.values.entry(&spec.name).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(pairs) = pairs
                    && pairs.insert(key.to_owned(), value).is_some()
                {
                    return Err(spec.rule(format!("the key {} is given twice", Quoted::new(key))));
                }
            }
            kind @ (ArgKind::String
            | ArgKind::Integer
            | ArgKind::Number
            | ArgKind::Boolean
            | ArgKind::Path
            | ArgKind::File
            | ArgKind::Directory) => {
                self.values.insert(spec.name.clone(), scalar(spec, kind, word)?);
            }
        }
        Ok(())
    }

    /// Whether an argument was given, in whatever way.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name) || self.secrets.contains_key(name)
    }

    fn add_secret(&mut self, spec: &ArgSpec, word: &str) -> Result<(), ArgError> {
        let name = &spec.name;
        let place = match (word, word.strip_prefix('@'), word.strip_prefix("env:")) {
            ("-", ..) => SecretWord::Stdin,
            ("@" | "env:", ..) => {
                let what = if word == "@" { "@FILE" } else { "env:NAME" };
                return Err(spec.rule(format!(
                    "`{word}` names nothing: write --{name} {what}, or --{name} text:{word} for the text itself"
                )));
            }
            (_, Some(file), _) => SecretWord::File(file.to_owned()),
            (_, _, Some(variable)) => SecretWord::Variable(variable.to_owned()),
            (text, None, None) => {
                self.warnings.push(spec.shown_warning());
                let text = text.strip_prefix(LITERAL).unwrap_or(text);
                self.values.insert(name.clone(), spec.value_of_text(text)?);
                return Ok(());
            }
        };
        if place == SecretWord::Stdin && self.secrets.values().any(|known| *known == SecretWord::Stdin) {
            return Err(spec.rule("only one argument can be read from standard input".to_owned()));
        }
        self.secrets.insert(spec.name.clone(), place);
        Ok(())
    }
}

/// A word as a value of a type.
fn scalar(spec: &ArgSpec, kind: ArgKind, word: &str) -> Result<Value, ArgError> {
    let value = match kind {
        ArgKind::Integer => word.parse::<i64>().ok().map(Value::from),
        ArgKind::Number => word.parse::<i64>().ok().map(Value::from).or_else(|| float(word)),
        ArgKind::Boolean => match word {
            "true" | "1" | "yes" | "on" => Some(Value::Bool(true)),
            "false" | "0" | "no" | "off" => Some(Value::Bool(false)),
            _ => None,
        },
        ArgKind::String
        | ArgKind::Array
        | ArgKind::Object
        | ArgKind::Path
        | ArgKind::File
        | ArgKind::Directory => Some(Value::String(word.to_owned())),
    };
    value.ok_or_else(|| {
        let got = if spec.is_secret { String::new() } else { format!(", got \"{}\"", plain(word)) };
        spec.wrong_type(format_args!("{}{got}", kind.one()))
    })
}

fn float(word: &str) -> Option<Value> {
    Number::from_f64(word.parse().ok()?).map(Value::Number)
}
