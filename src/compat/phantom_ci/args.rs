//! The options of the commands.

use crate::cli::exit::{Code, Failure};
use crate::model::suggest;
use crate::view::one_line;

/// The options of each command that has any; those in capitals take a value.
pub(super) const OPTIONS: [(&str, &[(&str, bool)]); 3] = [
    ("add", &[("--name", true)]),
    ("configure", &[("--print", false), ("--system", false)]),
    ("logs", &[("--repo", true), ("--branch", true), ("--limit", true)]),
];

/// The words of a command and its options.
pub(super) struct Args<'a> {
    pub(super) words: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Args<'a> {
    /// The words of a command without options: what begins with a dash is a word as others.
    pub(super) fn without_options(words: &[&'a str]) -> Self {
        Self { words: words.to_vec(), options: Vec::new() }
    }

    /// Parses `--name VALUE`, `--name=VALUE` and `--flag` among words.
    ///
    /// # Errors
    /// An option is unknown, lacks its value, or must have none.
    pub(super) fn parse(given: &[&'a str], known: &[(&str, bool)]) -> Result<Self, Failure> {
        let mut args = Self { words: Vec::new(), options: Vec::new() };
        let mut rest = given.iter();
        while let Some(word) = rest.next() {
            if !word.starts_with("--") {
                args.words.push(word);
                continue;
            }
            let (name, value) =
                word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
            let Some((_, takes_value)) = known.iter().find(|(option, _)| *option == name) else {
                let wrong = Failure::new(Code::Usage, format!("unknown option `{}`", one_line(name)));
                let near = suggest(name, known.iter().map(|(option, _)| *option));
                return Err(match near {
                    Some(near) => wrong.hint(format!("did you mean `{near}`?")),
                    None => wrong.hint(format!("`{} help` lists all options", super::NAME)),
                });
            };
            let value = match (takes_value, value) {
                (true, Some(value)) => Some(value),
                (true, None) => rest.next().copied(),
                (false, None) => Some(""),
                (false, Some(_)) => None,
            };
            let wrong = if *takes_value { "takes a value" } else { "takes no value" };
            let value = value.ok_or_else(|| Failure::new(Code::Usage, format!("`{name}` {wrong}")))?;
            args.options.push((name, value));
        }
        Ok(args)
    }

    /// The value of an option; the last one counts.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.options.iter().rev().find(|(option, _)| *option == name).map(|(_, value)| *value)
    }

    /// Whether a flag was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [(&str, bool); 2] = [("--limit", true), ("--print", false)];

    #[test]
    fn options_stand_anywhere_and_take_their_value_in_both_ways() {
        let args = Args::parse(&["--limit", "3", "site", "--print"], &KNOWN).unwrap();
        assert_eq!((args.words.as_slice(), args.value("--limit")), (&["site"][..], Some("3")));
        assert!(args.has("--print"));
        assert_eq!(Args::parse(&["--limit=7", "--limit=8"], &KNOWN).unwrap().value("--limit"), Some("8"));
    }

    #[test]
    fn wrong_options_are_refused_by_name() {
        for (given, expected) in [
            (&["--limt", "3"][..], "error: unknown option `--limt`\nhint: did you mean `--limit`?\n"),
            (&["--limit"], "error: `--limit` takes a value\n"),
            (&["--print=x"], "error: `--print` takes no value\n"),
        ] {
            let Err(failure) = Args::parse(given, &KNOWN) else { panic!("{given:?}") };
            assert_eq!(failure.text, expected);
        }
    }
}
