//! What an option is: its name, what it takes, what holds without it, and what the manual says of it.

use super::elsewhere;
use crate::model::{MAX_QUOTED, Quoted, suggest};

/// One option of a table.
#[derive(Debug)]
pub struct Field {
    /// Its name, without what its language puts before it.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds without it, in the words of the manual; empty when nothing does.
    pub default: &'static str,
    /// What it does, in the words of the manual.
    pub doc: &'static str,
    /// Whether it can be used.
    pub status: Status,
}

/// What an option takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A duration.
    Duration,
    /// A size, at least so many bytes.
    Size {
        /// The fewest bytes.
        least: u64,
    },
    /// A whole number.
    Count {
        /// The smallest.
        least: u32,
        /// The largest.
        most: u32,
    },
    /// A string.
    Text,
    /// A string, or a number in its place.
    TextOrNumber,
    /// `true`, `false` or a string.
    FlagOrText,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A list of strings.
    Texts,
    /// A table of environment variables.
    Variables,
    /// What these words say; its reader knows the rest.
    Other(&'static str),
}

/// Whether an option can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It can.
    Known,
    /// It can be asked for, and policy refuses it nearly always; no message suggests it.
    Privileged,
    /// A later version will have it. What to do until then.
    Planned(&'static str),
    /// It is not an option, although people expect one. What is wrong, and what to do instead.
    Refused(&'static str, &'static str),
}

/// The options of one thing, such as a job.
#[derive(Debug)]
pub struct Options {
    /// The thing, in the words of a message: `a job`.
    pub of: &'static str,
    /// Its options. Of two with the same name the first one counts.
    pub(crate) groups: &'static [&'static [Field]],
    /// How one looks.
    pub(crate) example: &'static str,
}

impl Field {
    /// An option that can be used.
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, kind, default, doc, status: Status::Known }
    }

    /// An option that opens the host.
    pub(super) const fn privileged(name: &'static str) -> Self {
        let kind = Kind::Other("what the engine takes");
        Self { name, kind, default: "", doc: "", status: Status::Privileged }
    }

    /// An option of a later version.
    pub(super) const fn planned(name: &'static str, workaround: &'static str) -> Self {
        let kind = Kind::Other("nothing yet");
        Self { name, kind, default: "", doc: "", status: Status::Planned(workaround) }
    }

    /// A name that people expect to be an option.
    pub(super) const fn refused(name: &'static str, why: &'static str, instead: &'static str) -> Self {
        let kind = Kind::Other("nothing");
        Self { name, kind, default: "", doc: "", status: Status::Refused(why, instead) }
    }
}

impl Options {
    /// The option of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static Field> {
        self.all().find(|field| field.name == name)
    }

    /// All options, each name once.
    pub fn all(&self) -> impl Iterator<Item = &'static Field> + use<> {
        let groups: &'static [&'static [Field]] = self.groups;
        let all = groups.iter().flat_map(|group| group.iter());
        all.clone().enumerate().filter_map(move |(place, field)| {
            let is_first = !all.clone().take(place).any(|other| other.name == field.name);
            is_first.then_some(field)
        })
    }

    /// The names that a message may suggest.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let known: Vec<&str> =
            self.all().filter(|field| field.status == Status::Known).map(|field| field.name).collect();
        known.into_iter()
    }

    /// Why an option cannot be used, and what to do instead; nothing when it can. `of` is the thing that it is an option of,
    /// `mark` what the language puts before a name.
    pub(crate) fn refusal(&self, name: &str, of: &str, mark: &str) -> Option<(String, String)> {
        match self.find(name).map(|field| field.status) {
            Some(Status::Known | Status::Privileged) => None,
            Some(Status::Planned(instead)) => {
                Some((format!("`{mark}{name}` of {of} is not in this version of quire"), instead.to_owned()))
            }
            Some(Status::Refused(why, instead)) => Some((why.to_owned(), instead.to_owned())),
            None => {
                let shown = Quoted::new(&format!("{mark}{name}"));
                Some((format!("unknown option {shown} of {of}"), self.nearest(name, of, mark)))
            }
        }
    }

    fn nearest(&self, name: &str, of: &str, mark: &str) -> String {
        // The `container` of a `config.yaml` is not that of Fennel.
        if let Some(instead) = elsewhere::option(of, name).filter(|_| mark == ":" || of != "`container`") {
            return instead.to_owned();
        }
        let names = self.names();
        match suggest(name, names.clone()).filter(|_| name.len() <= MAX_QUOTED) {
            Some(near) => format!("did you mean `{mark}{near}`?"),
            None => {
                let names: Vec<String> = names.map(|name| format!("{mark}{name}")).collect();
                format!("options are {}", names.join(" "))
            }
        }
    }
}

impl Kind {
    /// What the option takes, in the words of a message and of the manual; `mark` is what the language puts before a word.
    pub fn what(self, mark: &str) -> String {
        match self {
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Duration => "a duration such as \"5m\" or a number of seconds".to_owned(),
            Self::Size { .. } => "a size such as \"64MiB\" or a number of bytes".to_owned(),
            Self::Count { least, most } => format!("a whole number from {least} to {most}"),
            Self::Text => "a string".to_owned(),
            Self::TextOrNumber => "a string or a number".to_owned(),
            Self::FlagOrText => "`true`, `false` or a string".to_owned(),
            Self::Words(words) => either(words, mark),
            Self::Texts => "a list of strings".to_owned(),
            Self::Variables => "a table of strings and numbers".to_owned(),
            Self::Other(what) => what.to_owned(),
        }
    }
}

/// `:a`, `:b` or `:c`.
fn either(words: &[&str], mark: &str) -> String {
    let shown: Vec<String> = words.iter().map(|word| format!("`{mark}{word}`")).collect();
    match shown.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => shown.concat(),
    }
}
