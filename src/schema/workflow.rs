//! The options of the numbered tables of a workflow file.

use super::option::{Field, Kind, Options};

/// What a table runs.
pub(crate) const RUN: &str = "run";

/// Whether a newer push may stop a table, or above all tables, each of them.
pub(crate) const INTERRUPTIBLE: &str = "interruptible";

/// A numbered table.
pub(crate) static WORKFLOW_TABLE: Options = Options {
    of: "a table of a workflow",
    groups: &[TABLE_FIELDS],
    example: "all words are in one string: `run = \"make test\"`",
};

const TABLE_FIELDS: &[Field] = &[
    Field::new(RUN, Kind::Text, "", "the program and its arguments; no shell reads them"),
    Field::new(INTERRUPTIBLE, Kind::Flag, "`true`", "whether a newer push may stop it"),
];
