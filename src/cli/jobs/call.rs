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

/// A job that words mean.
#[derive(Debug, Clone)]
pub(crate) struct JobTarget {
    /// The job, as it can be asked for.
    pub(crate) job: String,
    /// The arguments that it takes.
    pub(crate) specs: Vec<ArgSpec>,
    /// How many of the words name it.
    pub(crate) used: usize,
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

    /// The option that a word is, with its value, which may be the next word; nothing when it is none of these.
    pub(super) fn take(
        known: &[Self],
        word: &str,
        rest: &mut std::slice::Iter<'_, String>,
    ) -> Option<Result<(&'static str, String), Failure>> {
        let flag = if word == "-h" { "help" } else { word.strip_prefix("--")? };
        let (name, own) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        let option = known.iter().find(|option| option.name == name)?;
        let missing = || Failure::new(Code::Usage, format!("a value is missing after --{name}"));
        Some(match (own, option.has_value) {
            (Some(value), _) => Ok((option.name, value.to_owned())),
            (None, false) => Ok((option.name, String::new())),
            (None, true) => rest.next().map(|value| (option.name, value.clone())).ok_or_else(missing),
        })
    }
}

impl JobTarget {
    /// The job that the first words mean: one of this folder, otherwise what `elsewhere` has, by the first word.
    ///
    /// # Errors
    /// They mean none, or one whose `config.yaml` cannot be read.
    pub(crate) fn find(
        found: &Discovery,
        words: &[String],
        elsewhere: impl FnOnce(&str) -> Option<Vec<ArgSpec>>,
    ) -> Result<Self, Failure> {
        if let Some((job, used)) = found.find_words(words) {
            return Ok(Self { job: job.id.clone(), specs: job.config.args.clone(), used });
        }
        let first = words.first().map(String::as_str).unwrap_or_default();
        let specs = elsewhere(first).ok_or_else(|| unknown_job(found, words))?;
        Ok(Self { job: first.to_owned(), specs, used: 1 })
    }
}

impl JobCall {
    /// Reads the words behind a job: its arguments and options of the command, in any order. `options` are those that were
    /// given before.
    ///
    /// # Errors
    /// They are mistakes.
    pub(crate) fn read(
        target: JobTarget,
        words: &[String],
        (known, options): (&[JobOption], BTreeMap<&'static str, String>),
    ) -> Result<Self, Failure> {
        let JobTarget { job, specs, used } = target;
        let mut call = Self { job, specs, options, ..Self::default() };
        let rest = call.take_options(words.get(used..).unwrap_or_default(), known)?;
        if call.has("help") {
            return Ok(call);
        }
        let help = format!("`quire plan {}` shows its arguments", call.job);
        (call.args, call.warnings) = read_arguments(&call.specs, &rest, &help)?;
        Ok(call)
    }

    /// Takes the options of the command out of the words. What the job declares is its own, and so is the word behind it.
    fn take_options(&mut self, words: &[String], known: &[JobOption]) -> Result<Vec<String>, Failure> {
        let mut rest = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let flag = word.strip_prefix("--").unwrap_or_default();
            let (name, has_value) = flag.split_once('=').map_or((flag, false), |(name, _)| (name, true));
            if let Some(spec) = self.specs.iter().find(|spec| spec.name == name) {
                rest.push(word.clone());
                if !has_value && !spec.is_flag() {
                    rest.extend(words.next().cloned());
                }
            } else if let Some(taken) = JobOption::take(known, word, &mut words) {
                let (name, value) = taken?;
                self.options.insert(name, value);
            } else {
                rest.push(word.clone());
            }
        }
        Ok(rest)
    }

    /// Whether only a plan is asked for: that of `--help` shows the arguments.
    pub(crate) fn is_plan(&self) -> bool {
        self.has("dry-run") || self.has("help")
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
        args.insert(name.clone(), Value::String(read_secret(&name, &word)?));
    }
    Ok((args, given.warnings))
}

/// The failure of words that mean no job.
pub(super) fn unknown_job(found: &Discovery, words: &[String]) -> Failure {
    let word = words.first().map(String::as_str).unwrap_or_default();
    if let Some(wrong) = found.unreadable(words) {
        return Failure::new(Code::Usage, format!("{}:{}", plain(&wrong.path), plain(&wrong.error)));
    }
    let names = found.jobs.iter().map(|job| job.id.as_str());
    let unknown = Failure::new(Code::NotFound, format!("there is no job `{}`", plain(word)));
    match suggest(word, names) {
        Some(near) => unknown.hint(format!("did you mean `{near}`?")),
        None => unknown.hint(format!("job folders are below {}", found.root.display())),
    }
}

/// The value of a secret that is elsewhere.
fn read_secret(name: &str, word: &SecretWord) -> Result<String, Failure> {
    let (what, text, literal) = match word {
        SecretWord::Variable(variable) => return secret_variable(name, variable),
        SecretWord::Stdin => ("standard input", read_limited(io::stdin().lock()), "-".to_owned()),
        SecretWord::File(path) => {
            (path.as_str(), File::open(path).and_then(read_limited), format!("@{path}"))
        }
    };
    let text = text.map_err(|error| {
        let wrong = format!("the secret --{name} could not be read from {}: {error}", plain(what));
        Failure::new(Code::Usage, wrong)
            .hint(format!("--{name} 'text:{}' is the text itself", plain(&literal)))
    })?;
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
