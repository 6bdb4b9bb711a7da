//! What a pipeline can call: one entry for each primitive, one for each event source.

use super::option::Options;
use super::pipeline::{ARTIFACT, CONTAINER, STEP};

/// A function that a pipeline can call.
#[derive(Debug)]
pub struct Primitive {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, as Fennel writes a list of them; `?` begins those that may be left out.
    pub arguments: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// How it is called.
    pub call: Call,
    /// What its last argument can say.
    pub options: Option<&'static Options>,
}

/// How a primitive is called: what `lua/prelude.lua` does before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Everywhere: it depends on its arguments alone.
    Pure,
    /// In a job.
    Ask,
    /// In a job, and others run meanwhile.
    Wait,
    /// As [`Call::Wait`]; it is a step, and the failure rule holds for its result.
    Step,
    /// In a job; the prelude has all of it.
    Prelude,
    /// Everywhere; the prelude has all of it.
    PreludeAnywhere,
    /// A later version has it. What to do until then.
    Planned(&'static str),
}

impl Call {
    /// The word by which the prelude knows it, when it makes the function.
    pub(crate) fn mode(self) -> Option<&'static str> {
        match self {
            Self::Pure => Some("pure"),
            Self::Ask => Some("ask"),
            Self::Wait => Some("wait"),
            Self::Step => Some("step"),
            Self::Planned(_) => Some("planned"),
            Self::Prelude | Self::PreludeAnywhere => None,
        }
    }

    /// Whether the compiler marks calls with their place: a job can wait for them, or fail in them.
    pub(crate) fn is_marked(self) -> bool {
        matches!(self, Self::Ask | Self::Wait | Self::Step | Self::Prelude)
    }

    /// What to do instead of calling it, when it is not in this version.
    pub fn workaround(self) -> Option<&'static str> {
        match self {
            Self::Planned(instead) => Some(instead),
            Self::Pure | Self::Ask | Self::Wait | Self::Step | Self::Prelude | Self::PreludeAnywhere => None,
        }
    }
}

const fn primitive(name: &'static str, arguments: &'static str, call: Call, doc: &'static str) -> Primitive {
    Primitive { name, arguments, doc, call, options: None }
}

const fn planned(name: &'static str, arguments: &'static str, workaround: &'static str) -> Primitive {
    primitive(name, arguments, Call::Planned(workaround), "Not in this version.")
}

/// All primitives.
pub static PRIMITIVES: &[Primitive] = &[
    Primitive {
        options: Some(&STEP),
        ..primitive("sh", "command ?options", Call::Step, "Runs one command and returns its result.")
    },
    Primitive {
        options: Some(&CONTAINER),
        ..primitive(
            "container",
            "image command ?options",
            Call::Step,
            "Runs one command in a container of its own and returns its result.",
        )
    },
    primitive("secret", "name", Call::Ask, "The value of a declared secret, as a string."),
    primitive("jobs", "name", Call::Prelude, "The output of an input of the job."),
    primitive("log", "...", Call::Prelude, "Writes a line to the log of the job."),
    primitive(
        "print",
        "...",
        Call::PreludeAnywhere,
        "Writes a line to the log of the job or, outside of jobs, of the run.",
    ),
    primitive("read-file", "path", Call::Wait, "The bytes of a file of the workspace, as a string."),
    primitive("write-file", "path text", Call::Wait, "Writes a file of the workspace and returns `true`."),
    Primitive {
        options: Some(&ARTIFACT),
        ..primitive(
            "artifact",
            "path ?options",
            Call::Wait,
            "Keeps a file, the files of a folder, or those that a pattern matches with the run, and returns a list of them.",
        )
    },
    primitive("sleep", "seconds", Call::Wait, "Waits, at most an hour, and returns `true`."),
    primitive("base64", "text", Call::Pure, "Encodes a string in base64."),
    primitive("base64-decode", "text", Call::Pure, "The bytes that a base64 text stands for."),
    primitive("json-encode", "value", Call::Pure, "A value as JSON text."),
    primitive("json-decode", "text", Call::Pure, "The value that a JSON text stands for."),
    primitive(
        "hash",
        "text ?kind",
        Call::Pure,
        "The SHA-256 (or `:sha512`) of a string in hexadecimal digits.",
    ),
    planned("par", "...", "declare jobs that need the same input: they run at the same time"),
    planned(
        "matrix",
        "axes",
        "declare the jobs in a loop: `(each [_ os (ipairs [\"a\" \"b\"])] (ci:job (.. \"test-\" os) …))`",
    ),
    planned(
        "cache",
        "name",
        "keep the folder outside of the workspace: `(sh cmd {:env {:CCACHE_DIR \"/srv/cache\"}})`",
    ),
];

/// An event source, or a constructor of one, that a later version has.
#[derive(Debug)]
pub struct PlannedInput {
    /// As a pipeline writes it: `ci.cron`, `quire/cron`.
    pub name: &'static str,
    /// What to do until then.
    pub workaround: &'static str,
}

const BY_CRON: &str = "let cron push: `git commit --allow-empty -m nightly && git push`";

/// What later versions take as inputs of jobs.
pub static PLANNED_INPUTS: &[PlannedInput] = &[
    PlannedInput { name: "ci.cron", workaround: BY_CRON },
    PlannedInput { name: "quire/cron", workaround: BY_CRON },
    PlannedInput {
        name: "ci.matrix",
        workaround: "declare the jobs in a loop: `(each [_ os (ipairs [\"a\" \"b\"])] (ci:job (.. \"test-\" os) …))`",
    },
];

/// What to do instead of an input that a later version has.
pub fn planned_input(name: &str) -> Option<&'static str> {
    PLANNED_INPUTS.iter().find(|input| input.name == name).map(|input| input.workaround)
}

/// The primitive of a name.
pub fn primitive_of(name: &str) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|primitive| primitive.name == name)
}
