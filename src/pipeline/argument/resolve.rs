//! From the arguments that were given to those that the scripts get: every declared one, checked.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::spec::{ArgFormat, ArgKind, ArgSpec};
use crate::model::{Quoted, suggest};

/// All resolved values as JSON, in bytes: they reach programs in one environment variable, which holds 128 KiB.
const MAX_VALUES: usize = 96 << 10;

/// What is wrong with a pair without a key.
pub(super) const EMPTY_KEY: &str = "the key of a pair is empty";

/// What is shown instead of a secret.
pub(crate) const SHOWN_SECRET: &str = "[secret]";

/// What the scripts get.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Resolved {
    /// The value of every declared argument that is not a secret: as given, otherwise its default, otherwise empty.
    pub(crate) values: Map<String, Value>,
    /// The secrets that were given.
    pub(crate) secrets: BTreeMap<String, String>,
}

/// What is wrong with an argument that was given, or not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct ArgError {
    /// The argument; empty when the mistake is in no one of them.
    pub(crate) arg: String,
    /// What kind of mistake it is.
    pub(crate) kind: ArgErrorKind,
    /// What is wrong, without the name of the argument. Never shows the value of a secret.
    pub(crate) message: String,
}

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgErrorKind {
    /// The job does not take it.
    Unknown,
    /// Its value has another type.
    WrongType,
    /// Its value, or that it is missing, is against a rule of the job.
    Rule,
}

/// Where the paths among arguments lead.
pub(crate) trait Paths {
    /// Whether a path is that of a file.
    fn is_file(&self, path: &str) -> bool;

    /// Whether a path is that of a folder.
    fn is_folder(&self, path: &str) -> bool;
}

/// Paths of which only somebody else knows where they lead.
pub(crate) struct UnknownPaths;

impl Paths for UnknownPaths {
    fn is_file(&self, _: &str) -> bool {
        true
    }

    fn is_folder(&self, _: &str) -> bool {
        true
    }
}

impl<T: Paths + ?Sized> Paths for &T {
    fn is_file(&self, path: &str) -> bool {
        (**self).is_file(path)
    }

    fn is_folder(&self, path: &str) -> bool {
        (**self).is_folder(path)
    }
}

/// Relative paths are relative to this folder.
impl Paths for Path {
    fn is_file(&self, path: &str) -> bool {
        self.join(path).is_file()
    }

    fn is_folder(&self, path: &str) -> bool {
        self.join(path).is_dir()
    }
}

/// Checks the arguments that were given, and adds those that were not.
///
/// # Errors
/// Gives every mistake: unknown ones in their order, then those of the declared ones.
pub(crate) fn resolve(
    specs: &[ArgSpec],
    given: Map<String, Value>,
    paths: &(impl Paths + ?Sized),
) -> Result<Resolved, Vec<ArgError>> {
    let mut wrong: Vec<ArgError> = given
        .keys()
        .filter(|name| !specs.iter().any(|spec| spec.name == **name))
        .map(|name| unknown(specs, name, ("argument", "")))
        .collect();
    let mut resolved = Resolved::default();
    for spec in specs {
        let value = given.get(&spec.name).or(spec.default.as_ref());
        let checked = check_type(spec, value).and_then(|value| {
            check_rules(spec, value.as_ref(), paths).map_err(|message| spec.rule(message))?;
            Ok(value)
        });
        match checked {
            Err(error) => wrong.push(error),
            Ok(value) if spec.is_secret => {
                resolved.secrets.extend(value.map(|value| (spec.name.clone(), text_of(&value))));
            }
            Ok(value) => {
                resolved.values.insert(spec.name.clone(), value.unwrap_or_else(|| empty(spec.kind)));
            }
        }
    }
    wrong.extend(check_size(&resolved.values));
    if wrong.is_empty() { Ok(resolved) } else { Err(wrong) }
}

/// The values of the arguments of a job in a pipeline: those that were given, which were checked then, otherwise the defaults. A flag
/// that has none is false and a list is empty; a text and a number are null. There is no secret among them.
pub(crate) fn completed(specs: &[ArgSpec], given: &BTreeMap<String, Value>) -> Map<String, Value> {
    let value = |spec: &ArgSpec| {
        let nothing = || match spec.kind {
            ArgKind::Boolean | ArgKind::Array | ArgKind::Object => empty(spec.kind),
            ArgKind::String
            | ArgKind::Integer
            | ArgKind::Number
            | ArgKind::Path
            | ArgKind::File
            | ArgKind::Directory => Value::Null,
        };
        given.get(&spec.name).or(spec.default.as_ref()).cloned().unwrap_or_else(nothing)
    };
    let values = specs.iter().filter(|spec| !spec.is_secret);
    values.map(|spec| (spec.name.clone(), value(spec))).collect()
}

impl Resolved {
    /// The values to show: every declared argument, a secret as `[secret]`.
    pub(crate) fn shown(&self, specs: &[ArgSpec]) -> Map<String, Value> {
        let shown = specs.iter().map(|spec| {
            let value = self.values.get(&spec.name).filter(|_| !spec.is_secret);
            (spec.name.clone(), value.cloned().unwrap_or_else(|| SHOWN_SECRET.into()))
        });
        shown.collect()
    }
}

impl ArgError {
    /// What is wrong, with the name of the argument.
    fn sentence(&self) -> String {
        match self.kind {
            ArgErrorKind::Unknown => self.message.clone(),
            ArgErrorKind::WrongType => format!("argument {} {}", self.arg, self.message),
            ArgErrorKind::Rule => format!("{}: {}", self.arg, self.message),
        }
    }
}

impl ArgSpec {
    pub(super) fn rule(&self, message: String) -> ArgError {
        ArgError { arg: self.name.clone(), kind: ArgErrorKind::Rule, message }
    }

    pub(super) fn wrong_type(&self, what: impl std::fmt::Display) -> ArgError {
        let message = format!("must be {what}");
        ArgError { arg: self.name.clone(), kind: ArgErrorKind::WrongType, message }
    }

    /// Checks the default as a value that was given; nothing is known of paths yet.
    pub(super) fn check_default(&self, value: &Value) -> Result<Value, String> {
        let value = check_type(self, Some(value)).map_err(|wrong| wrong.message)?.unwrap_or(Value::Null);
        check_value(self, &value)?;
        Ok(value)
    }
}

/// The error that a job does not take an argument; `written` is the word for one, and what stands before its name.
pub(super) fn unknown(specs: &[ArgSpec], name: &str, written: (&str, &str)) -> ArgError {
    let (word, mark) = written;
    let mut message = format!("unknown {word}: {mark}{}", plain(name));
    if let Some(near) = suggest(name, specs.iter().map(|spec| spec.name.as_str())) {
        message += &format!("; did you mean `{mark}{near}`?");
    }
    ArgError { arg: name.to_owned(), kind: ArgErrorKind::Unknown, message }
}

/// User text for a message that has its own quotes, or none.
pub(super) fn plain(text: &str) -> String {
    Quoted::new(text).to_string().trim_matches('`').to_owned()
}

/// The value in its own type: a whole number is an integer, also when it was written as `5.0`.
fn check_type(spec: &ArgSpec, value: Option<&Value>) -> Result<Option<Value>, ArgError> {
    let Some(value) = value else { return Ok(None) };
    let inner = spec.inner_kind();
    let typed = match (spec.kind, value) {
        (ArgKind::Array, Value::Array(items)) => {
            let items = items.iter().map(|item| scalar(inner, item)).collect::<Option<Vec<_>>>();
            items
                .map(Value::Array)
                .ok_or_else(|| spec.wrong_type(format_args!("an array of {}s", inner.as_str())))
        }
        (ArgKind::Object, Value::Object(pairs)) => {
            let pairs = pairs.iter().map(|(key, value)| Some((key.clone(), scalar(inner, value)?)));
            let pairs = pairs.collect::<Option<Map<_, _>>>();
            pairs
                .map(Value::Object)
                .ok_or_else(|| spec.wrong_type(format_args!("an object of {}s", inner.as_str())))
        }
        (kind, value) => scalar(kind, value).ok_or_else(|| spec.wrong_type(kind.one())),
    };
    typed.map(Some)
}

/// A value that is no list and no table, in its own type.
fn scalar(kind: ArgKind, value: &Value) -> Option<Value> {
    match (kind, value) {
        (ArgKind::Boolean, Value::Bool(_)) | (ArgKind::Number, Value::Number(_)) => Some(value.clone()),
        (kind, Value::String(_)) if kind.is_text() => Some(value.clone()),
        (ArgKind::Integer, Value::Number(number)) => {
            number.as_i64().or_else(|| whole(number.as_f64()?)).map(Value::from)
        }
        _ => None,
    }
}

/// A float without a fraction, when an integer holds it exactly.
fn whole(number: f64) -> Option<i64> {
    let is_exact = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    if is_exact { format!("{number:.0}").parse().ok() } else { None }
}

/// What a declared argument is when nothing was given.
fn empty(kind: ArgKind) -> Value {
    match kind {
        ArgKind::Integer | ArgKind::Number => 0.into(),
        ArgKind::Boolean => false.into(),
        ArgKind::Array => Value::Array(Vec::new()),
        ArgKind::Object => Value::Object(Map::new()),
        ArgKind::String | ArgKind::Path | ArgKind::File | ArgKind::Directory => "".into(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(pairs) => pairs.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn check_rules(spec: &ArgSpec, value: Option<&Value>, paths: &(impl Paths + ?Sized)) -> Result<(), String> {
    let Some(value) = value.filter(|value| !is_empty(value)) else {
        return if spec.is_required { Err("a value is required".to_owned()) } else { Ok(()) };
    };
    check_value(spec, value)?;
    // A secret is not shown, not even a path.
    let shown =
        |path: &str| if spec.is_secret { "the value".to_owned() } else { Quoted::new(path).to_string() };
    match (spec.text_format(), value) {
        (Some(ArgFormat::File), Value::String(path)) if !paths.is_file(path) => {
            Err(format!("{} is not a file", shown(path)))
        }
        (Some(ArgFormat::Directory), Value::String(path)) if !paths.is_folder(path) => {
            Err(format!("{} is not a directory", shown(path)))
        }
        _ => Ok(()),
    }
}

/// Checks enums and bounds of a value that has its type. A text without characters was not given.
fn check_value(spec: &ArgSpec, value: &Value) -> Result<(), String> {
    let bounds = &spec.bounds;
    if has_nul(value) {
        return Err("must not have a NUL byte".to_owned());
    }
    match value {
        Value::Array(items) => {
            count(items.len(), bounds.min_items, bounds.max_items, "item")?;
            items.iter().try_for_each(|item| {
                within(&spec.items_enum, item, "items_enum").map_err(|wrong| format!("item {wrong}"))
            })
        }
        Value::Object(pairs) => pairs.iter().try_for_each(|(key, value)| {
            if key.is_empty() {
                return Err(EMPTY_KEY.to_owned());
            }
            within(&spec.choices, value, "enum")
        }),
        Value::String(text) if text.is_empty() => Ok(()),
        Value::String(text) => {
            count(text.chars().count(), bounds.min_length, bounds.max_length, "character")?;
            if spec.is_secret { within_secret(spec, text) } else { within(&spec.choices, value, "enum") }
        }
        Value::Number(number) => {
            let within_bounds = check_number(spec, number.as_f64().unwrap_or(f64::NAN));
            within_bounds.and_then(|()| {
                if spec.is_secret {
                    within_secret(spec, &text_of(value))
                } else {
                    within(&spec.choices, value, "enum")
                }
            })
        }
        Value::Bool(_) | Value::Null => Ok(()),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(pairs) => pairs.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Number(_) | Value::Bool(_) | Value::Null => false,
    }
}

fn within(choices: &[String], value: &Value, name: &str) -> Result<(), String> {
    let text = text_of(value);
    if choices.is_empty() || choices.contains(&text) {
        return Ok(());
    }
    let near = suggest(&text, choices.iter().map(String::as_str));
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(format!("value \"{}\" not in {name}{near}", plain(&text)))
}

fn within_secret(spec: &ArgSpec, text: &str) -> Result<(), String> {
    let is_allowed = spec.choices.is_empty() || spec.choices.iter().any(|choice| choice == text);
    if is_allowed { Ok(()) } else { Err("value not in enum".to_owned()) }
}

fn check_number(spec: &ArgSpec, number: f64) -> Result<(), String> {
    let bounds = &spec.bounds;
    // A secret is not shown, not even a number.
    let shown = if spec.is_secret { "the value".to_owned() } else { number.to_string() };
    if let Some(least) = bounds.minimum.filter(|least| number < *least) {
        return Err(format!("{shown} is less than {least}"));
    }
    if let Some(most) = bounds.maximum.filter(|most| number > *most) {
        return Err(format!("{shown} is more than {most}"));
    }
    // 0.3 is a multiple of 0.1, although not in binary.
    let is_multiple = |of: f64| ((number / of).round() * of - number).abs() <= number.abs().max(of) * 1e-9;
    match bounds.multiple_of.filter(|of| !is_multiple(*of)) {
        Some(of) => Err(format!("{shown} is not a multiple of {of}")),
        None => Ok(()),
    }
}

fn count(count: usize, least: Option<u32>, most: Option<u32>, what: &str) -> Result<(), String> {
    let plural = |number: u32| if number == 1 { "" } else { "s" };
    if let Some(least) = least.filter(|least| count < *least as usize) {
        return Err(format!("must have at least {least} {what}{}", plural(least)));
    }
    match most.filter(|most| count > *most as usize) {
        Some(most) => Err(format!("must have at most {most} {what}{}", plural(most))),
        None => Ok(()),
    }
}

/// A value as programs get it: a text as it is, everything else as JSON.
pub(super) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The mistake that the values do not fit into an environment variable, reported at the longest.
fn check_size(values: &Map<String, Value>) -> Option<ArgError> {
    let sizes = || values.iter().map(|(name, value)| (name, value.to_string().len() + name.len() + 4));
    let total: usize = sizes().map(|(_, size)| size).sum();
    let (longest, _) = sizes().max_by_key(|(_, size)| *size).filter(|_| total > MAX_VALUES)?;
    let message = format!("the arguments together have {total} bytes, more than {MAX_VALUES}");
    Some(ArgError { arg: longest.clone(), kind: ArgErrorKind::Rule, message })
}
