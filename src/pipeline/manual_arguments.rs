//! The arguments that `ci.manual` declares: a table of their names, each with the options of an argument of `config.yaml`.

use crate::model::{Diagnostic, kebab};
use crate::pipeline::argument::{ArgSpec, MAX_ARGUMENTS, argument_name, read_argument};
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
    Some(read_argument(&Fields::named(&value, of, &ARGUMENT, mistakes)?, name))
}

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
