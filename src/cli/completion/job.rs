//! Candidates of job folders: parts of names, flags, values. `flwd` and `quire` share them.

use std::path::Path;

use super::candidate::{Candidate, CommandLine};
use crate::cli::jobs::is_option;
use crate::pipeline::argument::{ArgFormat, ArgKind, ArgSpec};
use crate::pipeline::folder::Discovery;

/// Names of a folder that are offered, at most.
const MAX_FILES: usize = 1000;

/// A flag of a command, beside the arguments of a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    /// Its name, without `--`.
    pub(crate) name: &'static str,
    /// Its letter.
    pub(crate) short: Option<char>,
    /// What it does.
    pub(crate) display: &'static str,
    /// What it takes.
    pub(crate) takes: Takes,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    Nothing,
    /// A value that nobody can guess.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A path.
    File,
}

impl Flag {
    pub(crate) const fn new(name: &'static str, display: &'static str, takes: Takes) -> Self {
        Self { name, short: None, display, takes }
    }

    /// The flag and its letter as candidates.
    pub(crate) fn candidates(self) -> impl Iterator<Item = Candidate> {
        let long = Candidate::flag(format!("--{}", self.name), self.display);
        [Some(long), self.short.map(|short| Candidate::flag(format!("-{short}"), self.display))]
            .into_iter()
            .flatten()
    }

    /// Its values, each after `start`; nothing when it takes none.
    pub(crate) fn values(self, typed: &str, start: &str, cwd: &Path) -> Option<Vec<Candidate>> {
        match self.takes {
            Takes::Nothing => None,
            Takes::Text => Some(Vec::new()),
            Takes::OneOf(words) => {
                Some(words.iter().map(|word| Candidate::value(format!("{start}{word}"), "")).collect())
            }
            Takes::File => Some(files(cwd, typed, start, |_| true)),
        }
    }
}

/// What can follow words of which the first ones name a job, or begin to.
pub(crate) fn after_job_words(
    found: &Discovery,
    line: &CommandLine,
    flags: &[Flag],
    cwd: &Path,
) -> Vec<Candidate> {
    let names = line.before.iter().take_while(|word| !word.starts_with('-')).count();
    let leading = line.before.get(..names).unwrap_or_default();
    let job = found.find_words(leading).filter(|(_, count)| *count == names).map(|(job, _)| job);
    let given = line.before.get(names..).unwrap_or_default();
    let is_flag = line.current.starts_with('-');
    let Some(job) = job else {
        return if given.is_empty() && !is_flag {
            segments(found, leading, &line.current)
        } else {
            Vec::new()
        };
    };
    let mut all = after_job(&job.config.args, (given, line), flags, cwd);
    if given.is_empty() && !is_flag {
        all.extend(segments(found, leading, &line.current));
    }
    all
}

/// What can follow a job with these arguments and the words that are given already.
pub(super) fn after_job(
    args: &[ArgSpec],
    (given, line): (&[String], &CommandLine),
    flags: &[Flag],
    cwd: &Path,
) -> Vec<Candidate> {
    let is_flag = line.current.starts_with('-');
    if let Some((name, typed)) = line.flag_inside() {
        return values(args, flags, name, (typed, &format!("--{name}=")), cwd).unwrap_or_default();
    }
    if let Some(name) = line.flag_before() {
        let can_follow = !is_flag || args.iter().any(|spec| spec.name == name && !spec.is_flag());
        if let Some(values) = values(args, flags, name, (&line.current, ""), cwd).filter(|_| can_follow) {
            return values;
        }
    }
    let is_given = |name: &str| given.iter().any(|word| is_option(word, name));
    let takes_many = |spec: &&ArgSpec| matches!(spec.kind, ArgKind::Array | ArgKind::Object);
    let own = args.iter().filter(|spec| takes_many(spec) || !is_given(&spec.name));
    let mut all: Vec<Candidate> =
        own.map(|spec| Candidate::flag(format!("--{}", spec.name), &spec.description)).collect();
    let is_own = |flag: &&Flag| !args.iter().any(|spec| spec.name == flag.name) && !is_given(flag.name);
    all.extend(flags.iter().filter(is_own).flat_map(|flag| flag.candidates()));
    all
}

/// The values of a flag, each after `start`; nothing when it takes none.
fn values(
    args: &[ArgSpec],
    flags: &[Flag],
    name: &str,
    (typed, start): (&str, &str),
    cwd: &Path,
) -> Option<Vec<Candidate>> {
    if let Some(spec) = args.iter().find(|spec| spec.name == name) {
        return Some(values_of(spec, typed, start, cwd));
    }
    flags.iter().find(|flag| flag.name == name)?.values(typed, start, cwd)
}

fn values_of(spec: &ArgSpec, typed: &str, start: &str, cwd: &Path) -> Vec<Candidate> {
    let words =
        |words: &[String]| words.iter().map(|word| Candidate::value(format!("{start}{word}"), "")).collect();
    if spec.is_secret {
        return Vec::new();
    }
    match (spec.kind, spec.text_format()) {
        (ArgKind::Boolean, _) => words(&["true".to_owned(), "false".to_owned()]),
        (ArgKind::Array, _) => words(&spec.items_enum),
        _ if !spec.choices.is_empty() => words(&spec.choices),
        (_, Some(ArgFormat::Path | ArgFormat::File)) => files(cwd, typed, start, |_| true),
        (_, Some(ArgFormat::Directory)) => files(cwd, typed, start, |is_folder| is_folder),
        _ => Vec::new(),
    }
}

/// The names that continue a path, folders with a `/`; hidden ones only after a dot.
pub(super) fn files(cwd: &Path, typed: &str, start: &str, is_meant: impl Fn(bool) -> bool) -> Vec<Candidate> {
    let (folder, begun) = typed.rsplit_once('/').map_or(("", typed), |(folder, begun)| (folder, begun));
    let folder = if typed.starts_with('/') && folder.is_empty() { "/" } else { folder };
    let Ok(entries) = std::fs::read_dir(cwd.join(folder)) else { return Vec::new() };
    let head = typed.strip_suffix(begun).unwrap_or_default();
    let candidate = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let is_folder = entry.path().is_dir();
        let is_hidden = name.starts_with('.') && !begun.starts_with('.');
        let end = if is_folder { "/" } else { "" };
        let is_offered = (is_folder || is_meant(is_folder)) && !is_hidden && name.starts_with(begun);
        is_offered.then(|| Candidate::value(format!("{start}{head}{name}{end}"), &name))
    };
    entries.filter_map(|entry| candidate(entry.ok()?)).take(MAX_FILES).collect()
}

/// The names that can follow `leading` on the way to a job.
fn segments(found: &Discovery, leading: &[String], typed: &str) -> Vec<Candidate> {
    let about =
        |job: &crate::pipeline::folder::FolderJob| job.summary.clone().unwrap_or_else(|| job.name.clone());
    let mut all = Vec::new();
    let mut inside: Vec<(&str, usize)> = Vec::new();
    for job in &found.jobs {
        let parts: Vec<&str> = job.path.split('/').collect();
        let is_below = parts.len() > leading.len()
            && parts.iter().zip(leading).all(|(part, word)| part.eq_ignore_ascii_case(word));
        let Some(part) = parts.get(leading.len()).filter(|part| is_below && **part != ".") else { continue };
        if parts.len() == leading.len() + 1 {
            all.push(Candidate::segment(*part, &about(job)));
        } else {
            match inside.last_mut().filter(|(last, _)| last == part) {
                Some((_, count)) => *count += 1,
                None => inside.push((part, 1)),
            }
        }
    }
    let groups = inside.iter().filter(|(part, _)| !all.iter().any(|job| job.insert == *part));
    let groups: Vec<Candidate> = groups
        .map(|(part, count)| {
            Candidate::segment(*part, &format!("{count} job{}", if *count == 1 { "" } else { "s" }))
        })
        .collect();
    all.extend(groups);
    if !leading.is_empty() {
        return all;
    }
    for job in &found.jobs {
        let is_path = job.id.replace('/', ".").eq_ignore_ascii_case(&job.path.replace('/', "."));
        if !is_path {
            all.push(Candidate::segment(job.id.as_str(), &about(job)));
        }
        // Who has typed a dot or a slash writes the whole name as one word.
        for separator in [".", "/"] {
            if typed.contains(separator) && job.path.contains('/') {
                all.push(Candidate::segment(job.path.replace('/', separator), &about(job)));
            }
        }
    }
    all.extend(found.aliases.valid.iter().map(|alias| {
        let description = alias.description.as_deref().unwrap_or("alias");
        Candidate::segment(
            &*alias.name,
            &format!("{} (alias -> {}, {description})", alias.name, alias.target_id),
        )
    }));
    all
}
