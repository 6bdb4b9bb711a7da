//! The tables that quire gives to a job, by the names of their fields: another name is a mistake, not nil.

use super::primitive::{Call, PRIMITIVES, primitive_of};
use crate::event::Source;
use crate::model::{Quoted, suggest_among};

/// A table that quire makes.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The word by which `lua/prelude.lua` and `lua/shapes.lua` know it.
    pub(crate) name: &'static str,
    /// It, in the words of a message.
    pub(crate) of: &'static str,
    /// Its fields, those that can be absent too. Empty for a job's table, which has the primitives, `inputs` and `args`.
    fields: &'static [&'static str],
    /// What people coming from elsewhere write, and the field that they mean.
    known_as: &'static [(&'static str, &'static str)],
}

/// What the function of a job gets.
pub(super) static JOB_TABLE: Shape = Shape {
    name: "job",
    of: "the table of a job",
    fields: &[],
    known_as: &[
        ("shell", "sh"),
        ("bash", "sh"),
        ("run", "sh"),
        ("exec", "sh"),
        ("execute", "sh"),
        ("cmd", "sh"),
        ("command", "sh"),
        ("system", "sh"),
        ("docker", "container"),
        ("podman", "container"),
        ("secrets", "secret"),
        ("echo", "log"),
        ("read", "read-file"),
        ("slurp", "read-file"),
        ("write", "write-file"),
        ("spit", "write-file"),
        ("json", "json-encode"),
        ("outputs", "jobs"),
        ("needs", "inputs"),
        ("input", "inputs"),
        ("arguments", "args"),
        ("params", "args"),
        ("parameters", "args"),
    ],
};

/// What `:quire/push` gives.
pub(super) static PUSH: Shape = Shape {
    name: Source::PUSH,
    of: "`:quire/push`",
    fields: &[
        "sha",
        "ref",
        "branch",
        "tag",
        "previous-sha",
        "pusher",
        "repo",
        "git-dir",
        "pushed-at",
        "commit-message",
        "files-changed",
        "files-truncated",
        "forced",
        "created",
        "deleted",
    ],
    known_as: &[
        ("commit", "sha"),
        ("commit-sha", "sha"),
        ("commit-id", "sha"),
        ("hash", "sha"),
        ("after", "sha"),
        ("before", "previous-sha"),
        ("old-sha", "previous-sha"),
        ("parent", "previous-sha"),
        ("author", "pusher"),
        ("actor", "pusher"),
        ("user", "pusher"),
        ("message", "commit-message"),
        ("title", "commit-message"),
        ("subject", "commit-message"),
        ("files", "files-changed"),
        ("changed", "files-changed"),
        ("changes", "files-changed"),
        ("changed-files", "files-changed"),
        ("paths", "files-changed"),
        ("repository", "repo"),
        ("project", "repo"),
        ("ref-name", "branch"),
        ("head", "branch"),
        ("force", "forced"),
        ("is-forced", "forced"),
        ("new", "created"),
        ("time", "pushed-at"),
        ("date", "pushed-at"),
        ("timestamp", "pushed-at"),
    ],
};

/// What `:quire/manual` gives.
pub(super) static MANUAL: Shape = Shape {
    name: Source::MANUAL,
    of: "`:quire/manual`",
    fields: &[
        "args",
        "actor",
        "repo",
        "ref",
        "branch",
        "tag",
        "sha",
        "commit-message",
        "git-dir",
        "started-at",
    ],
    known_as: &[
        ("arguments", "args"),
        ("inputs", "args"),
        ("parameters", "args"),
        ("params", "args"),
        ("payload", "args"),
        ("pusher", "actor"),
        ("user", "actor"),
        ("by", "actor"),
        ("author", "actor"),
        ("commit", "sha"),
        ("hash", "sha"),
        ("message", "commit-message"),
        ("subject", "commit-message"),
        ("repository", "repo"),
        ("project", "repo"),
        ("time", "started-at"),
        ("pushed-at", "started-at"),
        ("timestamp", "started-at"),
    ],
};

/// What a step gives back.
pub(super) static RESULT: Shape = Shape {
    name: "result",
    of: "the result of a step",
    fields: &["exit", "ok", "stdout", "stderr", "duration", "signal", "timed-out", "truncated"],
    known_as: &[
        ("code", "exit"),
        ("exit-code", "exit"),
        ("exit-status", "exit"),
        ("exitcode", "exit"),
        ("return-code", "exit"),
        ("returncode", "exit"),
        ("rc", "exit"),
        ("status", "exit"),
        ("out", "stdout"),
        ("output", "stdout"),
        ("text", "stdout"),
        ("std-out", "stdout"),
        ("err", "stderr"),
        ("error", "stderr"),
        ("std-err", "stderr"),
        ("success", "ok"),
        ("passed", "ok"),
        ("failed", "ok"),
        ("time", "duration"),
        ("elapsed", "duration"),
        ("timeout", "timed-out"),
    ],
};

/// All of them.
pub(crate) static SHAPES: &[&Shape] = &[&JOB_TABLE, &PUSH, &MANUAL, &RESULT];

impl Shape {
    /// The names of its fields.
    pub(crate) fn fields(&self) -> Vec<&'static str> {
        // `print` is in scope by name only.
        let names = PRIMITIVES.iter().filter(|primitive| primitive.call != Call::PreludeAnywhere);
        match self.fields {
            [] => ["inputs", "args"].into_iter().chain(names.map(|primitive| primitive.name)).collect(),
            fields => fields.to_vec(),
        }
    }

    /// The message and the hint about a field that it does not have.
    pub(crate) fn unknown(&self, name: &str) -> (String, String) {
        let message = format!("{} has no field {}", self.of, Quoted::new(name));
        let fields = self.fields();
        let help = match suggest_among(name, self.known_as, fields.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                let is_there =
                    |name: &&&str| primitive_of(name).is_none_or(|it| it.call.workaround().is_none());
                let listed: Vec<&str> = fields.iter().filter(is_there).copied().collect();
                format!("its fields are `{}`", listed.join("` `"))
            }
        };
        (message, help)
    }
}

/// The shape of this name.
pub(crate) fn shape_of(name: &str) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| shape.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_under_the_names_that_other_systems_have_for_it() {
        for (shape, name, help) in [
            (&PUSH, "brnach", "did you mean `branch`?"),
            (&PUSH, "commit_message", "did you mean `commit-message`?"),
            (&PUSH, "filesChanged", "did you mean `files-changed`?"),
            (&PUSH, "before", "did you mean `previous-sha`?"),
            (&RESULT, "exitCode", "did you mean `exit`?"),
            (&RESULT, "code", "did you mean `exit`?"),
            (&RESULT, "stdot", "did you mean `stdout`?"),
            (&JOB_TABLE, "shell", "did you mean `sh`?"),
            (&JOB_TABLE, "readFile", "did you mean `read-file`?"),
        ] {
            assert_eq!(shape.unknown(name).1, help, "{name}");
        }
        let (message, help) = RESULT.unknown("weather");
        assert_eq!(message, "the result of a step has no field `weather`");
        assert!(help.starts_with("its fields are `exit` `ok` `stdout`"), "{help}");
        for shape in SHAPES {
            let fields = shape.fields();
            assert!(
                shape
                    .known_as
                    .iter()
                    .all(|(other, meant)| { fields.contains(meant) && !fields.contains(other) })
            );
        }
    }
}
