//! Options of a command among the words of a job: one rule for job folders, jobs of repositories and `flwd`.
//!
//! Before the job's name there are only options of the command. Behind it, what the job declares is its own, with the word that is its
//! value; what it does not declare is an option of the command, if that has it.

use crate::cli::exit::{Code, Failure};
use crate::pipeline::argument::ArgSpec;

/// An option of a command that runs jobs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobOption<'a> {
    name: &'a str,
    short: Option<char>,
    has_value: bool,
}

/// Options of a command as they were given, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GivenOptions(Vec<(String, Option<String>)>);

/// One thing among the words behind a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// An option of the command.
    Option(String, Option<String>),
    /// An option of the command without the value that it takes.
    Incomplete(String),
    /// Everything else: arguments of the job, and mistakes.
    Own(Vec<String>),
}

impl JobOption<'static> {
    /// An option without a value.
    pub(crate) const fn flag(name: &'static str) -> Self {
        Self { name, short: None, has_value: false }
    }

    /// An option with a value.
    pub(crate) const fn with_value(name: &'static str) -> Self {
        Self { name, short: None, has_value: true }
    }

    /// The same, which has a letter, too.
    pub(crate) const fn short(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }
}

impl<'a> JobOption<'a> {
    /// The option of an argument of a command line that has a long name.
    pub(crate) fn of(arg: &'a clap::Arg) -> Option<Self> {
        let has_value = arg.get_action().takes_values();
        Some(Self { name: arg.get_long()?, short: arg.get_short(), has_value })
    }

    /// Whether a word is this option: `--name`, `-n` or `-nnn`.
    fn is_meant(&self, word: &str) -> bool {
        match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(long), _) => long == self.name,
            (None, Some(letters)) => {
                !letters.is_empty() && letters.chars().all(|letter| Some(letter) == self.short)
            }
            (None, None) => false,
        }
    }
}

/// Reads the next thing of some words; nothing at their end.
pub(super) fn next_part(
    words: &mut std::slice::Iter<'_, String>,
    specs: &[ArgSpec],
    known: &[JobOption<'_>],
) -> Option<Part> {
    let word = words.next()?;
    if word == "--" {
        return Some(Part::Own([word].into_iter().chain(words).cloned().collect()));
    }
    let (flag, value) =
        word.split_once('=').map_or((word.as_str(), None), |(flag, value)| (flag, Some(value)));
    let name = flag.strip_prefix("--");
    if let Some(spec) = specs.iter().find(|spec| Some(spec.name.as_str()) == name) {
        let next = if value.is_none() && !spec.is_flag() { words.next() } else { None };
        return Some(Part::Own([word].into_iter().chain(next).cloned().collect()));
    }
    let Some(option) = known.iter().find(|option| option.is_meant(flag)) else {
        return Some(Part::Own(vec![word.clone()]));
    };
    let name = option.name.to_owned();
    Some(
        match value.map(str::to_owned).or_else(|| option.has_value.then(|| words.next().cloned()).flatten()) {
            None if option.has_value => Part::Incomplete(name),
            value => Part::Option(name, value),
        },
    )
}

/// Splits words behind a job into options of the command and everything else.
///
/// # Errors
/// An option has no value.
pub(crate) fn split(
    words: &[String],
    specs: &[ArgSpec],
    known: &[JobOption<'_>],
) -> Result<(GivenOptions, Vec<String>), Failure> {
    let (mut options, mut own) = (GivenOptions::default(), Vec::new());
    let mut words = words.iter();
    while let Some(part) = next_part(&mut words, specs, known) {
        match part {
            Part::Option(name, value) => options.push(name, value),
            Part::Incomplete(name) => {
                return Err(Failure::new(Code::Usage, format!("a value is missing after --{name}")));
            }
            Part::Own(words) => own.extend(words),
        }
    }
    Ok((options, own))
}

impl GivenOptions {
    pub(crate) fn push(&mut self, name: String, value: Option<String>) {
        self.0.push((name, value));
    }

    /// Adds others, which take precedence.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Takes out all of a name; their values.
    pub(crate) fn take(&mut self, name: &str) -> Vec<Option<String>> {
        let taken = self.0.extract_if(.., |(given, _)| given == name);
        taken.map(|(_, value)| value).collect()
    }

    /// The value of an option; the last one counts.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.given(name)?
    }

    /// Whether a flag was given, and not as `--flag=false`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given(name).is_some_and(|value| value != Some("false"))
    }

    /// Whether all are among these.
    pub(super) fn are_of(&self, known: &[JobOption<'_>]) -> bool {
        self.0.iter().all(|(name, _)| known.iter().any(|option| option.name == name))
    }

    /// The words for them.
    pub(crate) fn words(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(name, value)| option_word(name, value.as_deref()))
    }

    fn given(&self, name: &str) -> Option<Option<&str>> {
        let (_, value) = self.0.iter().rfind(|(given, _)| given == name)?;
        Some(value.as_deref())
    }
}

/// The one word for an option.
pub(super) fn option_word(name: &str, value: Option<&str>) -> String {
    value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [JobOption<'static>; 3] = [
        JobOption::with_value("ref"),
        JobOption::flag("json").short('j'),
        JobOption::flag("verbose").short('v'),
    ];

    fn spec(name: &str) -> ArgSpec {
        ArgSpec { name: name.to_owned(), ..ArgSpec::default() }
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_a_job_declares_is_its_own_and_so_is_its_value() {
        let specs = [spec("ref"), spec("name")];
        for (line, specs, options, own) in [
            ("--ref v1 --json", &[][..], "--ref=v1 --json", ""),
            ("--ref v1 --json", &specs[..], "--json", "--ref v1"),
            ("--name --json --ref=x -j", &specs, "--json", "--name --json --ref=x"),
            ("--name -j -vvv -x", &specs, "--verbose", "--name -j -x"),
            ("--other --json x", &[], "--json", "--other x"),
            ("--json -- --json --ref", &[], "--json", "-- --json --ref"),
            ("--json=false", &[], "--json=false", ""),
        ] {
            let (given, rest) = split(&words(line), specs, &KNOWN).unwrap();
            let given: Vec<String> = given.words().collect();
            assert_eq!((given.join(" ").as_str(), rest.join(" ").as_str()), (options, own), "{line}");
        }
        let wrong = split(&words("--json --ref"), &[], &KNOWN).unwrap_err();
        assert!(wrong.text.contains("a value is missing after --ref"), "{}", wrong.text);
    }
}
