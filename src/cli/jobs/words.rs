//! The words of `quire run` and `quire plan`: which job they are about, and where that is, before it is known what the job declares.

use super::option::{GivenOptions, JobOption, Part, next_part, option_word};
use crate::pipeline::argument::ArgSpec;

/// What a job folder takes before its name as well as behind it.
pub(crate) const RUN_OPTIONS: [JobOption<'static>; 7] = [
    JobOption::with_value("data"),
    JobOption::with_value("server"),
    JobOption::with_value("profile"),
    JobOption::with_value("source"),
    JobOption::flag("json"),
    JobOption::flag("dry-run"),
    JobOption::flag("help").short('h'),
];

/// What `quire` itself takes, before the command.
const GLOBAL_OPTIONS: [JobOption<'static>; 2] =
    [JobOption::with_value("data"), JobOption::with_value("server")];

/// The options that say where a job is.
const PLACE_OPTIONS: [&str; 5] = ["data", "server", "source", "ref", "sha"];

/// The words of a command.
#[derive(Debug, Clone)]
pub(crate) struct JobWords {
    pub(crate) is_plan: bool,
    /// The options before the job.
    pub(crate) options: GivenOptions,
    /// The job, and everything behind it; never empty.
    pub(crate) words: Vec<String>,
}

impl JobWords {
    /// Reads a command line; nothing when it is another command, names no job, or has something before the job that is no option of
    /// the command.
    pub(crate) fn parse(words: &[String], known: &[JobOption<'_>]) -> Option<Self> {
        let mut options = GivenOptions::default();
        let (command, rest) = leading(words, &mut options, &GLOBAL_OPTIONS)?.split_first()?;
        let is_plan = match command.as_str() {
            "run" => false,
            "plan" => true,
            _ => return None,
        };
        let words = leading(rest, &mut options, known)?.to_vec();
        // Without a job, it is the help of the command.
        (!words.is_empty() && !options.has("help")).then_some(Self { is_plan, options, words })
    }

    /// The job's first word.
    pub(crate) fn first(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// The words behind the first one.
    pub(crate) fn behind(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The same words with the options that say where the job is before it: those that are not declared by the job that was found
    /// by the options before it. With no such job, all of them.
    pub(crate) fn placed(&self, specs: &[ArgSpec], known: &[JobOption<'_>]) -> Self {
        let mut placed = Self { words: vec![self.first().to_owned()], ..self.clone() };
        let mut words = self.behind().iter();
        while let Some(part) = next_part(&mut words, specs, known) {
            match part {
                Part::Option(name, value) if PLACE_OPTIONS.contains(&name.as_str()) => {
                    placed.options.push(name, value);
                }
                Part::Option(name, value) => placed.words.push(option_word(&name, value.as_deref())),
                Part::Incomplete(name) => placed.words.push(option_word(&name, None)),
                Part::Own(words) => placed.words.extend(words),
            }
        }
        placed
    }
}

/// Whether a word is the option of this name, with its value or without.
pub(crate) fn is_option(word: &str, name: &str) -> bool {
    word.strip_prefix("--").is_some_and(|flag| flag.split('=').next() == Some(name))
}

/// The words from the job on; all of them when what stands before it is none of a job.
pub(crate) fn from_job(words: &[String]) -> &[String] {
    leading(words, &mut GivenOptions::default(), &RUN_OPTIONS).unwrap_or(words)
}

/// Takes options from the beginning of words; nothing when one of them is none of these.
fn leading<'a>(
    mut words: &'a [String],
    options: &mut GivenOptions,
    known: &[JobOption<'_>],
) -> Option<&'a [String]> {
    while words.first().is_some_and(|word| word.starts_with('-')) {
        let mut rest = words.iter();
        let Some(Part::Option(name, value)) = next_part(&mut rest, &[], known) else { return None };
        options.push(name, value);
        words = rest.as_slice();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_stand_before_the_job_or_behind_it() {
        for line in [
            "run greet",
            "--data d run greet",
            "run --data d greet",
            "run --data=d greet",
            "run --json greet --name x",
            "--server http://x run greet",
            "run --dry-run --source s greet",
        ] {
            let parsed = JobWords::parse(&words(line), &RUN_OPTIONS).unwrap();
            assert_eq!((parsed.first(), parsed.is_plan), ("greet", false), "{line:?}");
        }
        let line = words("plan --json --data d x --source s --name --data --data=e --json");
        let parsed = JobWords::parse(&line, &RUN_OPTIONS).unwrap();
        assert!(parsed.is_plan && parsed.options.has("json"));
        let spec = |name: &str| ArgSpec { name: name.to_owned(), ..ArgSpec::default() };
        for (specs, data, source, left) in [
            (vec![spec("name")], "e", Some("s"), "x --name --data --json"),
            (
                vec![spec("name"), spec("source"), spec("data")],
                "d",
                None,
                "x --source s --name --data --data=e --json",
            ),
        ] {
            let placed = parsed.placed(&specs, &RUN_OPTIONS);
            assert_eq!((placed.options.value("data"), placed.options.value("source")), (Some(data), source));
            assert_eq!(placed.words.join(" "), left);
        }
        for line in [
            "run",
            "run --json",
            "runs",
            "run -h greet",
            "run --ref main blog",
            "run --data",
            "--json run x",
            "",
        ] {
            assert!(JobWords::parse(&words(line), &RUN_OPTIONS).is_none(), "{line}");
        }
    }
}
