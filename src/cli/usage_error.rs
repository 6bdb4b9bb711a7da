//! Mistakes in arguments, in the form of all other errors: what is wrong, then one hint.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

use super::exit::{Code, Failure};
use crate::model::{Quoted, suggest};

/// The failure of arguments that `root` does not take.
#[expect(clippy::wildcard_enum_match_arm, reason = "clap has kinds that this program does not use")]
pub(super) fn usage_error(error: &Error, root: &Command, words: &[String]) -> Failure {
    let (command, path) = meant(root, words);
    let given = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(" ")),
        _ => None,
    };
    let argument = || given(ContextKind::InvalidArg).unwrap_or_default();
    let named = || name_of(&argument());
    let quoted = |text: &str| Quoted::new(text).to_string();
    let usage = || format!("usage: {}", usage(command, &path));
    let (message, hint) = match error.kind() {
        ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument if !argument().starts_with('-') => {
            let word = given(ContextKind::InvalidSubcommand).unwrap_or_else(argument);
            if command.has_subcommands() {
                let names = command.get_subcommands().filter(|known| !known.is_hide_set());
                let near = meaning(&word, &names.map(Command::get_name).collect::<Vec<_>>());
                let hint = near.map(|near| format!("did you mean `{path} {near}`?"));
                let list = || format!("`{path} --help` lists the commands");
                (format!("unknown command {}", quoted(&format!("{path} {word}"))), hint.unwrap_or_else(list))
            } else {
                (format!("unexpected argument {}", quoted(&word)), usage())
            }
        }
        ErrorKind::UnknownArgument => {
            let option = whole_word(argument(), words);
            let name = option.split('=').next().unwrap_or_default().trim_start_matches('-');
            let known = root.get_arguments().chain(command.get_arguments()).filter(|arg| !arg.is_hide_set());
            let near = meaning(name, &known.filter_map(Arg::get_long).collect::<Vec<_>>());
            let hint = near.map(|near| format!("did you mean `--{near}`?"));
            let list = || format!("`{path} --help` lists the options");
            (format!("unknown option {} of `{path}`", quoted(&option)), hint.unwrap_or_else(list))
        }
        ErrorKind::TooManyValues => (format!("{} takes no value", named()), usage()),
        ErrorKind::MissingRequiredArgument => {
            (format!("missing argument: {}", argument().replace(['<', '>'], "")), usage())
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = given(ContextKind::InvalidValue).unwrap_or_default();
            if value.is_empty() {
                (format!("{} has no value", named()), usage())
            } else {
                (format!("{} is not a valid value for {}", quoted(&value), named()), expected(error, &path))
            }
        }
        ErrorKind::ArgumentConflict => {
            let other = given(ContextKind::PriorArg).unwrap_or_default();
            let message = if other == argument() || other.is_empty() {
                format!("{} is given more than once", named())
            } else {
                format!("{} cannot be used with {}", named(), name_of(&other))
            };
            (message, usage())
        }
        _ => (error.kind().as_str().unwrap_or("invalid arguments").to_owned(), usage()),
    };
    Failure::new(Code::Usage, message).hint(hint)
}

/// Names, and what other programs call the same.
static SYNONYMS: &[(&str, &str)] = &[
    ("new", "create init make"),
    ("add", "create new"),
    ("rm", "delete remove del unwatch"),
    ("list", "ls"),
    ("now", "poll fetch run refresh"),
    ("show", "view inspect describe info"),
    ("logs", "log output tail"),
    ("cancel", "stop kill abort"),
    ("rerun", "retry restart"),
    ("runs", "ps history status builds list"),
    ("serve", "server start daemon up"),
    ("bind", "port listen host addr address"),
    ("follow", "tail watch"),
    ("limit", "number count max"),
];

/// The name that a word is near to, or means elsewhere.
fn meaning<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let means = |name: &&str| {
        let mut synonyms = SYNONYMS.iter().filter(|(known, _)| known == name);
        synonyms.any(|(_, words)| words.split(' ').any(|other| other == word))
    };
    suggest(word, names.iter().copied()).or_else(|| names.iter().copied().find(means))
}

/// The whole word of which clap names one letter: `-limit`.
fn whole_word(option: String, words: &[String]) -> String {
    let is_letter = option.len() == 2 && !option.starts_with("--");
    let whole = words.iter().find(|word| is_letter && word.len() > 2 && word.starts_with(&option));
    whole.cloned().unwrap_or(option)
}

/// The name of an argument that clap shows as `--limit <N>` or `<RUN>`.
fn name_of(argument: &str) -> String {
    let first = argument.split(' ').next().unwrap_or_default();
    format!("`{}`", first.trim_matches(['<', '>', '[', ']']))
}

/// What a value must be.
fn expected(error: &Error, path: &str) -> String {
    use std::error::Error as _;
    if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue)
        && !values.is_empty()
    {
        return format!("it is one of {}", values.join(", "));
    }
    match error.source() {
        Some(source) if source.is::<std::num::ParseIntError>() => "write a whole number".to_owned(),
        Some(source) => source.to_string(),
        None => format!("`{path} --help` explains it"),
    }
}

/// The subcommand that the words lead to, and how it is called.
fn meant<'a>(root: &'a Command, words: &[String]) -> (&'a Command, String) {
    let (mut command, mut path) = (root, root.get_name().to_owned());
    for word in words {
        if let Some(next) = command.get_subcommands().find(|known| known.get_name() == word) {
            command = next;
            path = format!("{path} {word}");
        }
    }
    (command, path)
}

/// `quire logs RUN [JOB] [OPTIONS]`.
fn usage(command: &Command, path: &str) -> String {
    let positionals = command.get_positionals().map(|arg| {
        let name = arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str());
        if arg.is_required_set() { name.to_owned() } else { format!("[{name}]") }
    });
    let rest = if command.has_subcommands() { "COMMAND" } else { "[OPTIONS]" };
    [path.to_owned()].into_iter().chain(positionals).chain([rest.to_owned()]).collect::<Vec<_>>().join(" ")
}
