//! Reading the declaration of one argument, whatever file it is in.

use serde_json::{Map, Value as Json};

use super::spec::{ArgFormat, ArgKind, ArgSpec, Bounds};
use crate::model::{Diagnostic, Quoted, SecretName, kebab};
use crate::schema::{Fields, Node, Value};

/// Arguments of one job, at most.
pub(crate) const MAX_ARGUMENTS: usize = 256;

/// The longest name of an argument.
const MAX_NAME: usize = 64;

/// The name of an argument.
///
/// # Errors
/// It is not one.
pub(crate) fn argument_name(node: &Node) -> Result<String, Diagnostic> {
    let name = node.as_text()?;
    let is_valid = name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !is_valid {
        let message = format!("{} is not a valid name of an argument", Quoted::new(&name));
        let help = "use 1 to 64 letters, digits, `_`, `-` or `.`, starting with a letter or `_`";
        return Err(node.error(message).help(help));
    }
    Ok(name)
}

/// An argument of this name, with the options of [`ARGUMENT`](crate::schema::job_folder::ARGUMENT).
pub(crate) fn read_argument(fields: &Fields<'_>, name: String) -> ArgSpec {
    let (kind, type_format) = fields.read("type", kind).unwrap_or_default();
    let format = fields.word("format").and_then(ArgFormat::parse).or(type_format);
    if let Some(word) = fields.word("format").filter(|_| !kind.is_text() && format != Some(ArgFormat::Secret))
    {
        let message = format!("`format: {word}` is for strings, and the argument is {}", kind.one());
        fields.refuse_option("format", message, "leave `format` out");
    }
    let word = |name| fields.word(name).and_then(ArgKind::parse);
    let spec = ArgSpec {
        name,
        kind,
        format,
        is_secret: format == Some(ArgFormat::Secret) || fields.flag("secret").unwrap_or_default(),
        is_required: fields.flag("required").unwrap_or_default(),
        default: None,
        description: prose(fields, "description").unwrap_or_default(),
        choices: fields.list("enum", Node::as_choice),
        items_type: word("items_type"),
        items_enum: fields.list("items_enum", Node::as_choice),
        value_type: word("value_type"),
        bounds: read_bounds(fields),
    };
    if spec.is_secret && matches!(kind, ArgKind::Boolean | ArgKind::Array | ArgKind::Object) {
        let option = if fields.get("secret").is_some() { "secret" } else { "format" };
        fields.refuse_option(option, format!("{} cannot be a secret", kind.one()), "a secret is a string");
    }
    if spec.is_secret && SecretName::parse(&spec.name).is_err() {
        let message = format!("{} cannot be the name of a secret", Quoted::new(&spec.name));
        fields.refuse(message, "use letters, digits, `_` or `-`, starting with a letter or `_`");
    }
    with_default(fields, spec)
}

/// The same in the older form of `config.yaml`.
pub(crate) fn read_old_argument(fields: &Fields<'_>, name: String) -> ArgSpec {
    let (kind, format) = fields.read("type", kind).unwrap_or_default();
    let spec = ArgSpec {
        name,
        kind,
        format,
        is_secret: format == Some(ArgFormat::Secret),
        is_required: fields.flag("required").unwrap_or_default(),
        description: prose(fields, "description").unwrap_or_default(),
        choices: fields.list("choices", Node::as_choice),
        ..ArgSpec::default()
    };
    with_default(fields, spec)
}

/// A text of one or more lines; nothing when it is empty.
pub(crate) fn prose(fields: &Fields<'_>, name: &str) -> Option<String> {
    let text = fields.read(name, Node::as_text)?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn kind(node: &Node) -> Result<(ArgKind, Option<ArgFormat>), Diagnostic> {
    let word = node.as_str()?;
    if word == "secret" {
        return Ok((ArgKind::String, Some(ArgFormat::Secret)));
    }
    let kind = ArgKind::parse(word).map(|kind| (kind, None));
    kind.ok_or_else(|| {
        let known = ArgKind::ALL.map(ArgKind::as_str);
        let wrong = node.error(format!("unsupported type {}", Quoted::new(word)));
        match crate::model::suggest(&kebab(word), known.into_iter().chain(["secret"])) {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong.help(format!("types are secret {}", known.join(" "))),
        }
    })
}

fn read_bounds(fields: &Fields<'_>) -> Bounds {
    let number = |name| fields.read(name, Node::as_float);
    let bounds = Bounds {
        minimum: number("minimum"),
        maximum: number("maximum"),
        multiple_of: number("multipleOf"),
        min_length: fields.count("minLength"),
        max_length: fields.count("maxLength"),
        min_items: fields.count("minItems"),
        max_items: fields.count("maxItems"),
    };
    if bounds.multiple_of.is_some_and(|of| of <= 0.0) {
        fields.refuse_option("multipleOf", "`multipleOf` must be more than 0", "leave it out for any number");
    }
    let is_reversed =
        |least: Option<f64>, most: Option<f64>| least.zip(most).is_some_and(|(least, most)| least > most);
    for (least, most, name) in [
        (bounds.minimum, bounds.maximum, "minimum"),
        (bounds.min_length.map(f64::from), bounds.max_length.map(f64::from), "minLength"),
        (bounds.min_items.map(f64::from), bounds.max_items.map(f64::from), "minItems"),
    ] {
        if is_reversed(least, most) {
            fields.refuse_option(
                name,
                format!("`{name}` is more than the largest allowed"),
                "no value would be valid",
            );
        }
    }
    bounds
}

fn with_default(fields: &Fields<'_>, spec: ArgSpec) -> ArgSpec {
    let Some(node) = fields.get("default") else { return spec };
    if spec.is_secret {
        fields.refuse_option(
            "default",
            "default forbidden for secret",
            "give the secret when the job is started",
        );
        return spec;
    }
    let json = match (spec.kind, &node.value) {
        (ArgKind::Array, Value::String(text)) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
        }
        // An empty list and an empty table are the same in Lua.
        (ArgKind::Array, _) if node.as_list().is_ok_and(<[Node]>::is_empty) => Json::Array(Vec::new()),
        _ => node.to_json(),
    };
    let checked = match &node.value {
        Value::Other(what) => Err(format!("expected {}, got {what}", spec.kind.one())),
        Value::Table(_)
        | Value::List(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Number(_)
        | Value::Bool(_)
        | Value::Nil => spec.check_default(&json),
    };
    let default = checked
        .map_err(|wrong| node.error(format!("invalid default of {}: {wrong}", Quoted::new(&spec.name))));
    ArgSpec { default: fields.value("default", default), ..spec }
}

impl Node {
    /// A value that can be chosen, as text.
    pub(in crate::pipeline) fn as_choice(&self) -> Result<String, Diagnostic> {
        if let Value::Bool(flag) = &self.value { Ok(flag.to_string()) } else { self.as_word() }
    }

    /// A text, or a number as it is written.
    pub(in crate::pipeline) fn as_word(&self) -> Result<String, Diagnostic> {
        if let Value::Number(number) = &self.value { Ok(number.text.clone()) } else { self.as_text() }
    }

    fn as_float(&self) -> Result<f64, Diagnostic> {
        if let Value::Number(number) = &self.value {
            Ok(number.value)
        } else {
            Err(self.expected("a number"))
        }
    }

    /// The same value as JSON.
    fn to_json(&self) -> Json {
        match &self.value {
            Value::Table(pairs) => {
                let pairs =
                    pairs.iter().map(|(key, value)| (key.as_text().unwrap_or_default(), value.to_json()));
                Json::Object(pairs.collect::<Map<_, _>>())
            }
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::String(text) => text.as_str().into(),
            Value::Number(number) => {
                let whole = number.text.parse::<i64>().map(Json::from);
                whole.unwrap_or_else(|_| number.value.into())
            }
            Value::Bool(flag) => (*flag).into(),
            Value::Bytes(_) | Value::Nil | Value::Other(_) => Json::Null,
        }
    }
}
