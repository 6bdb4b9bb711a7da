//! The words of a call: a job, its arguments, and the options of the command.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

use serde_json::{Map, Value};

use super::secret_variable;
use crate::cli::exit::{Code, Failure};
use crate::model::suggest;
use crate::pipeline::argument::{ArgSpec, SecretWord, read_words};
use crate::pipeline::folder::Discovery;
use crate::view::plain;

/// The longest secret that is read from standard input or a file, in bytes.
const MAX_SECRET: u64 = 1 << 20;

/// An option of a command that runs jobs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobOption {
    name: &'static str,
    has_value: bool,
}

/// A call of a job.
#[derive(Debug, Default)]
pub(crate) struct JobCall {
    /// The job, as it can be asked for.
    pub(crate) job: String,
    /// The arguments that it takes.
    pub(crate) specs: Vec<ArgSpec>,
    /// Those that were given.
    pub(crate) args: Map<String, Value>,
    /// The options of the command, by their names; a flag has no text.
    pub(crate) options: BTreeMap<&'static str, String>,
    /// What works, but should not be done.
    pub(crate) warnings: Vec<String>,
}

impl JobOption {
    /// An option without a value.
    pub(crate) const fn flag(name: &'static str) -> Self {
        Self { name, has_value: false }
    }

    /// An option with a value.
    pub(crate) const fn with_value(name: &'static str) -> Self {
        Self { name, has_value: true }
    }
}

impl JobCall {
    /// Reads the words: those of the job first, then arguments and options in any order. `of_source` gives the arguments of a job
    /// that is not in this folder, by its first word.
    ///
    /// # Errors
    /// They mean no job, or are mistakes.
    pub(crate) fn read(
        found: &Discovery,
        words: &[String],
        known: &[JobOption],
        of_source: impl FnOnce(&str) -> Option<Vec<ArgSpec>>,
    ) -> Result<Self, Failure> {
        let (job, specs, used) = match found.find_words(words) {
            Some((job, used)) => (job.id.clone(), job.config.args.clone(), used),
            None => {
                let first = words.first().map(String::as_str).unwrap_or_default();
                let specs = of_source(first).ok_or_else(|| unknown_job(found, first))?;
                (first.to_owned(), specs, 1)
            }
        };
        let mut call = Self { job, specs, ..Self::default() };
        let rest = call.take_options(words.get(used..).unwrap_or_default(), known)?;
        let help = format!("`quire plan {}` shows its arguments", call.job);
        (call.args, call.warnings) = read_arguments(&call.specs, &rest, &help)?;
        Ok(call)
    }

    /// Takes the options of the command out of the words; what the job declares is its own.
    fn take_options(&mut self, words: &[String], known: &[JobOption]) -> Result<Vec<String>, Failure> {
        let mut rest = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let flag = word.strip_prefix("--").unwrap_or_default();
            let (name, own) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
            if let Some(spec) = self.specs.iter().find(|spec| spec.name == name) {
                rest.push(word.clone());
                if own.is_none() && !spec.is_flag() {
                    rest.extend(words.next().cloned());
                }
                continue;
            }
            let Some(option) = known.iter().find(|option| option.name == name) else {
                rest.push(word.clone());
                continue;
            };
            let value = match (own, option.has_value) {
                (Some(value), _) => value.to_owned(),
                (None, false) => String::new(),
                (None, true) => words
                    .next()
                    .cloned()
                    .ok_or_else(|| Failure::new(Code::Usage, format!("a value is missing after --{name}")))?,
            };
            self.options.insert(option.name, value);
        }
        Ok(rest)
    }

    /// The value of an option.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// Whether a flag was given, and not as `--flag=false`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.option(name).is_some_and(|value| value != "false")
    }
}

/// Reads arguments, and the secrets that are elsewhere; gives warnings with them.
///
/// # Errors
/// Gives every word that cannot be read, with the hint.
pub(crate) fn read_arguments(
    specs: &[ArgSpec],
    words: &[String],
    hint: &str,
) -> Result<(Map<String, Value>, Vec<String>), Failure> {
    let given = read_words(specs, words).map_err(|wrong| {
        let lines: Vec<String> = wrong.iter().map(|wrong| plain(&wrong.message)).collect();
        Failure::new(Code::Usage, lines.join("\nerror: ")).hint(hint)
    })?;
    let mut args = given.values;
    for (name, word) in given.secrets {
        args.insert(name, Value::String(read_secret(&word)?));
    }
    Ok((args, given.warnings))
}

pub(super) fn unknown_job(found: &Discovery, word: &str) -> Failure {
    let names = found.jobs.iter().map(|job| job.id.as_str());
    let unknown = Failure::new(Code::NotFound, format!("there is no job `{}`", plain(word)));
    match suggest(word, names) {
        Some(near) => unknown.hint(format!("did you mean `{near}`?")),
        None => unknown.hint(format!("job folders are below {}", found.root.display())),
    }
}

/// The value of a secret that is elsewhere.
fn read_secret(word: &SecretWord) -> Result<String, Failure> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(Code::Usage, format!("the secret could not be read from {what}: {error}"))
    };
    let (what, text) = match word {
        SecretWord::Variable(name) => return secret_variable(name),
        SecretWord::Stdin => ("standard input".to_owned(), read_limited(io::stdin().lock())),
        SecretWord::File(path) => (path.clone(), File::open(path).and_then(read_limited)),
    };
    let text = text.map_err(|error| failed(&what, &error))?;
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

fn read_limited(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(MAX_SECRET + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 1 MiB"));
    }
    Ok(text)
}
