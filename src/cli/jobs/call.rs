//! The words of a call: a job, its arguments, and the options of the command.

use std::fs::File;
use std::io::{self, Read};

use serde_json::{Map, Value};

use super::option::{GivenOptions, JobOption, split};
use super::secret_variable;
use crate::cli::exit::{Code, Failure};
use crate::model::suggest;
use crate::pipeline::argument::{ArgError, ArgSpec, Paths, SecretWord, read_words, resolve};
use crate::pipeline::folder::Discovery;
use crate::view::plain;

/// The longest secret that is read from standard input or a file, in bytes.
const MAX_SECRET: u64 = 1 << 20;

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
    /// The options of the command.
    pub(crate) options: GivenOptions,
    /// What works, but should not be done.
    pub(crate) warnings: Vec<String>,
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
        (known, options): (&[JobOption<'_>], GivenOptions),
        paths: &dyn Paths,
    ) -> Result<Self, Failure> {
        let JobTarget { job, specs, used } = target;
        let (behind, own) = split(words.get(used..).unwrap_or_default(), &specs, known)?;
        let mut call = Self { job, specs, options, ..Self::default() };
        call.options.extend(behind);
        if call.has("help") {
            return Ok(call);
        }
        let help = format!("`quire plan {}` shows its arguments", call.job);
        (call.args, call.warnings) = read_arguments(&call.specs, &own, (paths, &help))?;
        Ok(call)
    }

    /// Whether only a plan is asked for: that of `--help` shows the arguments.
    pub(crate) fn is_plan(&self) -> bool {
        self.has("dry-run") || self.has("help")
    }

    /// The value of an option.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.value(name)
    }

    /// Whether a flag was given, and not as `--flag=false`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.has(name)
    }
}

/// Reads arguments, and the secrets that are elsewhere; gives warnings with them.
///
/// # Errors
/// Gives every mistake, with the hint. When words cannot be read, the rules of the others are checked here; otherwise whoever
/// runs the job checks them.
pub(crate) fn read_arguments(
    specs: &[ArgSpec],
    words: &[String],
    (paths, hint): (&dyn Paths, &str),
) -> Result<(Map<String, Value>, Vec<String>), Failure> {
    let (mut given, mut wrong) = read_words(specs, words);
    let mut args = std::mem::take(&mut given.values);
    if wrong.is_empty() {
        for spec in specs {
            let Some(word) = given.secrets.get(&spec.name) else { continue };
            match spec.value_of_text(&read_secret(&spec.name, word)?) {
                Ok(value) => drop(args.insert(spec.name.clone(), value)),
                Err(error) => wrong.push(error),
            }
        }
    }
    if wrong.is_empty() {
        return Ok((args, given.warnings));
    }
    let is_known = |arg: &str| given.secrets.contains_key(arg) || wrong.iter().any(|known| known.arg == arg);
    let more = resolve(specs, args, paths).err().unwrap_or_default();
    let more: Vec<ArgError> = more.into_iter().filter(|error| !is_known(&error.arg)).collect();
    let lines: Vec<String> = wrong.iter().chain(&more).map(|wrong| plain(&wrong.to_string())).collect();
    Err(Failure::new(Code::Usage, lines.join("\nerror: ")).hint(hint))
}

/// The failure of words that mean no job.
pub(super) fn unknown_job(found: &Discovery, words: &[String]) -> Failure {
    let word = words.first().map(String::as_str).unwrap_or_default();
    if let Some(wrong) = found.unreadable(words) {
        let lines: Vec<String> = wrong.lines().map(|line| plain(&line)).collect();
        return Failure::new(Code::Usage, lines.join("\nerror: "));
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
