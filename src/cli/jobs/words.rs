//! The words of `quire run` and `quire plan`, before it is known which job they mean and what that declares.

use std::collections::BTreeMap;

use super::call::JobOption;

/// What may stand before the job as well as behind it.
pub(crate) const RUN_OPTIONS: [JobOption; 7] = [
    JobOption::with_value("data"),
    JobOption::with_value("server"),
    JobOption::with_value("profile"),
    JobOption::with_value("source"),
    JobOption::flag("json"),
    JobOption::flag("dry-run"),
    JobOption::flag("help"),
];

/// What `quire` itself takes, before the command.
const GLOBAL_OPTIONS: [JobOption; 2] = [JobOption::with_value("data"), JobOption::with_value("server")];

/// The words of a command.
pub(crate) struct JobWords<'a> {
    pub(crate) is_plan: bool,
    /// The options before the job.
    pub(crate) options: BTreeMap<&'static str, String>,
    /// The job, and everything behind it; never empty.
    pub(crate) words: &'a [String],
}

impl<'a> JobWords<'a> {
    /// Reads a command line; nothing when it is another command, names no job, or has an option before the job that is none of
    /// a job: `quire run --ref main blog`.
    pub(crate) fn parse(words: &'a [String]) -> Option<Self> {
        let mut options = BTreeMap::new();
        let (command, rest) = leading(words, &mut options, &GLOBAL_OPTIONS)?.split_first()?;
        let is_plan = match command.as_str() {
            "run" => false,
            "plan" => true,
            _ => return None,
        };
        let words = leading(rest, &mut options, &RUN_OPTIONS)?;
        // Without a job, it is the help of the command.
        (!words.is_empty() && !options.contains_key("help")).then_some(Self { is_plan, options, words })
    }

    /// The job's first word.
    pub(crate) fn first(&self) -> &'a str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// The value of an option that stands before the job.
    pub(crate) fn before(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// The value of an option, which may be anywhere: before it is known what the job declares, it is looked for in all words.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        value_of(self.words, name).or_else(|| self.before(name))
    }
}

/// Whether a word is the option of this name, with its value or without.
pub(crate) fn is_option(word: &str, name: &str) -> bool {
    word.strip_prefix("--").is_some_and(|flag| flag.split('=').next() == Some(name))
}

/// The value of the first option of this name among words.
pub(crate) fn value_of<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    let mut words = words.iter().skip_while(|word| !is_option(word, name)).map(String::as_str);
    let word = words.next()?;
    word.split_once('=').map(|(_, value)| value).or_else(|| words.next())
}

/// The words from the job on; all of them when what stands before it is none of a job.
pub(crate) fn from_job(words: &[String]) -> &[String] {
    leading(words, &mut BTreeMap::new(), &RUN_OPTIONS).unwrap_or(words)
}

/// Takes options from the beginning of words; nothing when one of them is none of these.
fn leading<'a>(
    mut words: &'a [String],
    options: &mut BTreeMap<&'static str, String>,
    known: &[JobOption],
) -> Option<&'a [String]> {
    while let [word, rest @ ..] = words
        && word.starts_with('-')
    {
        let mut rest = rest.iter();
        let (name, value) = JobOption::take(known, word, &mut rest)?.ok()?;
        options.insert(name, value);
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
            let line = words(line);
            let parsed = JobWords::parse(&line).unwrap();
            assert_eq!((parsed.first(), parsed.is_plan), ("greet", false), "{line:?}");
        }
        let line = words("plan --json --data d x --source s --data=e");
        let parsed = JobWords::parse(&line).unwrap();
        assert!(parsed.is_plan && parsed.options.contains_key("json"));
        assert_eq!(
            (parsed.value("data"), parsed.value("source"), parsed.value("server")),
            (Some("e"), Some("s"), None)
        );
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
            assert!(JobWords::parse(&words(line)).is_none(), "{line}");
        }
    }
}
