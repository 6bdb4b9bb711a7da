//! Reading `argspec` and `arguments` of a `config.yaml`.

use serde_json::{Map, Value as Json};

use super::argument::{ArgFormat, ArgKind, ArgSpec, Bounds};
use crate::model::{Diagnostic, Quoted, kebab};
use crate::schema::job_folder::{ARGSPEC, ARGUMENT, OLD_ARGUMENT};
use crate::schema::{Fields, Node, Value};

/// Arguments of one job, at most.
const MAX_ARGUMENTS: usize = 256;

/// The longest name of an argument.
const MAX_NAME: usize = 64;

/// Variables that shells and the loader use themselves.
const TAKEN: [&str; 37] = [
    "_",
    "BASHPID",
    "BASH_ARGC",
    "BASH_ARGV",
    "BASH_LINENO",
    "BASH_SOURCE",
    "BASH_VERSINFO",
    "DIRSTACK",
    "FUNCNAME",
    "GROUPS",
    "LINENO",
    "OPTARG",
    "OPTIND",
    "PIPESTATUS",
    "RANDOM",
    "SECONDS",
    "RUN_DIR",
    "DATA_DIR",
    "QUIRE_RUN_DIR",
    "QUIRE_ARGS_JSON",
    "FLWD_RUN_DIR",
    "FLWD_ARGS_JSON",
    "FLOWD_RUN_DIR",
    "PATH",
    "HOME",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "UID",
    "EUID",
    "PPID",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
];

/// The arguments of a `config.yaml` or of an add-on's job, and whether it declares any.
pub(crate) fn read_arguments(fields: &Fields<'_>) -> (Vec<ArgSpec>, bool) {
    let listed = fields.table("argspec", &ARGSPEC).map(|argspec| {
        let nodes = argspec.list("args", Ok);
        let read = nodes.into_iter().filter_map(|node| {
            let fields = argspec.inner(node, ARGUMENT.of, &ARGUMENT)?;
            let name = fields.read("name", name);
            if fields.get("name").is_none() {
                fields.refuse("`name` of the argument is missing", ARGUMENT.example);
            }
            Some((node, read_argument(&fields, name?)))
        });
        read.collect::<Vec<_>>()
    });
    let old = || {
        if fields.options().find("arguments").is_none() {
            return Vec::new();
        }
        let read = fields.entries("arguments").iter().filter_map(|(key, node)| {
            let name = fields.value("arguments", name(key))?;
            Some((key, read_old_argument(&fields.inner(node, OLD_ARGUMENT.of, &OLD_ARGUMENT)?, name)))
        });
        read.collect()
    };
    let has_old = fields.options().find("arguments").is_some();
    let read = listed.filter(|listed| !listed.is_empty());
    let read = read.or_else(|| has_old.then(old)).unwrap_or_default();
    if read.len() > MAX_ARGUMENTS {
        fields.refuse(format!("there are more than {MAX_ARGUMENTS} arguments"), "a job takes fewer");
    }
    let mut specs: Vec<ArgSpec> = Vec::new();
    for (node, spec) in read.into_iter().take(MAX_ARGUMENTS) {
        match specs.iter().find(|other| variable(&other.name) == variable(&spec.name)) {
            Some(other) => {
                let message = format!("the argument `{}` is here already", spec.name);
                let help =
                    format!("`{}` and it would be the same variable, {}", other.name, variable(&spec.name));
                fields.mistakes().note(node.error(message).help(help));
            }
            None => specs.push(spec),
        }
    }
    let has_args = !specs.is_empty();
    (specs, has_args)
}

/// The environment variable of an argument.
fn variable(name: &str) -> String {
    format!("ARG_{}", name.replace(['-', '.'], "_").to_ascii_uppercase())
}

fn name(node: &Node) -> Result<String, Diagnostic> {
    let name = node.as_text()?;
    let is_valid = name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !is_valid {
        let message = format!("{} is not a valid name of an argument", Quoted::new(&name));
        let help = "use 1 to 64 letters, digits, `_`, `-` or `.`, starting with a letter or `_`";
        return Err(node.error(message).help(help));
    }
    if TAKEN.contains(&name.as_str()) {
        let help = "the name of an argument becomes a shell variable; write it in small letters";
        return Err(node.error(format!("`{name}` is a variable of the shell")).help(help));
    }
    Ok(name)
}

fn read_argument(fields: &Fields<'_>, name: String) -> ArgSpec {
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
    with_default(fields, spec)
}

fn read_old_argument(fields: &Fields<'_>, name: String) -> ArgSpec {
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
pub(super) fn prose(fields: &Fields<'_>, name: &str) -> Option<String> {
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
        _ => node.to_json(),
    };
    let default = spec
        .check_default(&json)
        .map_err(|wrong| node.error(format!("invalid default of {}: {wrong}", Quoted::new(&spec.name))));
    ArgSpec { default: fields.value("default", default), ..spec }
}

impl Node {
    /// A value that can be chosen, as text.
    pub(super) fn as_choice(&self) -> Result<String, Diagnostic> {
        if let Value::Bool(flag) = &self.value { Ok(flag.to_string()) } else { self.as_word() }
    }

    /// A text, or a number as it is written.
    pub(super) fn as_word(&self) -> Result<String, Diagnostic> {
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
