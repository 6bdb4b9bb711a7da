//! The arguments that `ci.manual` declares: a table of their names, each with the options of an argument of `config.yaml`.

use crate::model::{Diagnostic, kebab};
use crate::pipeline::argument::{ArgKind, ArgSpec, MAX_ARGUMENTS, argument_name, read_argument};
use crate::schema::pipeline::ARGUMENT;
use crate::schema::{Fields, Mistakes, Node, Value};

/// Reads the table, in the order of writing as far as that is known.
pub(super) fn read_manual_arguments(declared: &Node, mistakes: &Mistakes) -> Vec<ArgSpec> {
    let help = "write (ci.manual {:env {:enum [\"staging\" \"prod\"] :required true}}), or :quire/manual for any JSON";
    let table = declared.as_table().map_err(|wrong| {
        let got = declared.value.kind();
        Diagnostic { message: format!("`ci.manual` takes a table of arguments, got {got}"), ..wrong }
            .help(help)
    });
    let mut pairs: Vec<&(Node, Node)> =
        table.map_err(|wrong| mistakes.note(wrong)).unwrap_or_default().iter().collect();
    pairs.sort_by_key(|(key, _)| key.span);
    if pairs.len() > MAX_ARGUMENTS {
        mistakes.note(declared.error(format!("there are more than {MAX_ARGUMENTS} arguments")));
        pairs.truncate(MAX_ARGUMENTS);
    }
    pairs.into_iter().filter_map(|(key, value)| read(declared, key, value, mistakes)).collect()
}

fn read(declared: &Node, key: &Node, value: &Node, mistakes: &Mistakes) -> Option<ArgSpec> {
    // A part whose place is not known has that of the whole.
    let placed =
        |node: &Node| if node.span.is_some() { node.clone() } else { declared.with(node.value.clone()) };
    let name = argument_name(&placed(key)).map_err(|wrong| mistakes.note(wrong)).ok()?;
    let value = with_names_of_the_schema(placed(value));
    let of = format!("the argument `{name}`");
    let fields = Fields::named(&value, of, &ARGUMENT, mistakes)?;
    let spec = read_argument(&fields, name);
    refuse_contradictions(&fields, &spec);
    Some(spec)
}

/// Refuses rules that cannot hold together. Job folders may have them: they were written for programs that overlook them.
fn refuse_contradictions(fields: &Fields<'_>, spec: &ArgSpec) {
    if spec.is_required && spec.default.is_some() {
        let help = "leave out `:required`: what is not given has the default";
        fields.refuse_option("default", "a required argument has no default", help);
    }
    for (name, kinds, of) in RULES {
        if fields.get(name).is_some() && !kinds.contains(&spec.kind) {
            let message = format!("`:{}` is for {of}, and the argument is {}", kebab(name), spec.kind.one());
            fields.refuse_option(name, message, "leave it out, or declare another `:type`");
        }
    }
    let items = |name| fields.get(name).and_then(|node| node.as_list().ok()).unwrap_or_default();
    let choice = if spec.kind == ArgKind::Object { spec.inner_kind() } else { spec.kind };
    let choices =
        items("enum").iter().filter(|_| SCALARS.contains(&spec.kind)).map(|node| ("enum", choice, node));
    let items = items("items_enum")
        .iter()
        .filter(|_| spec.kind == ArgKind::Array)
        .map(|node| ("items_enum", spec.inner_kind(), node));
    for (name, kind, node) in choices.chain(items) {
        let fits = match &node.value {
            Value::String(_) => kind.is_text(),
            Value::Number(number) => {
                kind == ArgKind::Number || (kind == ArgKind::Integer && number.value.fract() == 0.0)
            }
            Value::Bool(_) => kind == ArgKind::Boolean,
            Value::Table(_) | Value::List(_) | Value::Bytes(_) | Value::Nil | Value::Other(_) => continue,
        };
        if !fits {
            let wrong = node.expected(kind.one());
            fields.value::<()>(name, Err(wrong));
        }
    }
}

/// What the rules of arguments are for.
const RULES: [(&str, &[ArgKind], &str); 11] = [
    ("minimum", NUMBERS, "numbers"),
    ("maximum", NUMBERS, "numbers"),
    ("multipleOf", NUMBERS, "numbers"),
    ("minLength", TEXTS, "strings"),
    ("maxLength", TEXTS, "strings"),
    ("minItems", ARRAYS, "arrays"),
    ("maxItems", ARRAYS, "arrays"),
    ("items_type", ARRAYS, "arrays"),
    ("items_enum", ARRAYS, "arrays"),
    ("value_type", &[ArgKind::Object], "objects"),
    ("enum", SCALARS, "strings, numbers and the values of objects"),
];

const NUMBERS: &[ArgKind] = &[ArgKind::Integer, ArgKind::Number];
const TEXTS: &[ArgKind] = &[ArgKind::String, ArgKind::Path, ArgKind::File, ArgKind::Directory];
const ARRAYS: &[ArgKind] = &[ArgKind::Array];
const SCALARS: &[ArgKind] = &[
    ArgKind::String,
    ArgKind::Integer,
    ArgKind::Number,
    ArgKind::Path,
    ArgKind::File,
    ArgKind::Directory,
    ArgKind::Object,
];

/// The same table, whose keys are as in `config.yaml`: `:min-length` is `minLength`.
fn with_names_of_the_schema(node: Node) -> Node {
    let Value::Table(pairs) = &node.value else { return node };
    let renamed = |key: &Node| {
        let name = key.as_str().ok()?;
        let field = ARGUMENT.all().find(|field| kebab(field.name) == name)?;
        Some(key.with(Value::String(field.name.to_owned())))
    };
    let pairs = pairs.iter().map(|(key, value)| (renamed(key).unwrap_or_else(|| key.clone()), value.clone()));
    node.with(Value::Table(pairs.collect()))
}
