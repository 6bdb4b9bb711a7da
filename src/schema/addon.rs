//! The options of an add-on's manifest.

use super::option::{Field, Kind, Options};

const fn options(of: &'static str, groups: &'static [&'static [Field]]) -> Options {
    Options { of, groups, example: "" }
}

const fn text(name: &'static str, doc: &'static str) -> Field {
    Field::new(name, Kind::Text, "", doc)
}

const fn other(name: &'static str, what: &'static str, doc: &'static str) -> Field {
    Field::new(name, Kind::Other(what), "", doc)
}

/// The manifest.
pub(crate) static ADDON: Options = options("a manifest", &[ADDON_FIELDS]);
/// `metadata`.
pub(crate) static ADDON_METADATA: Options = options("`metadata`", &[METADATA_FIELDS]);
/// One of `maintainers`.
pub(crate) static MAINTAINER: Options = options("a maintainer", &[MAINTAINER_FIELDS]);
/// `requires`.
pub(crate) static ADDON_REQUIRES: Options = options("`requires`", &[REQUIRES_FIELDS]);
/// One of `containers`.
pub(crate) static ADDON_CONTAINER: Options = options("a container", &[CONTAINER_FIELDS]);
/// One of `jobs`.
pub(crate) static ADDON_JOB: Options = options("a job of an add-on", &[JOB_FIELDS]);
/// `requirements` of a job.
pub(crate) static REQUIREMENTS: Options = options("`requirements`", &[REQUIREMENT_FIELDS]);
/// One of `tools`.
pub(crate) static TOOL: Options = options("a tool", &[TOOL_FIELDS]);

const ADDON_FIELDS: &[Field] = &[
    text("apiVersion", "`flwd.addon/v1`"),
    text("kind", "`AddOn`"),
    other("metadata", "a table", "what the add-on is"),
    other("requires", "a table", "what it needs; may be empty"),
    other("jobs", "a list of tables", "its jobs, at least one"),
];

const METADATA_FIELDS: &[Field] = &[
    text("name", "its name, at least 3 characters"),
    text("id", "a small letter or digit, then small letters, digits, `_`, `.` and `-`, up to 64"),
    text("version", "such as `1.2.3`, `1.2.3-rc.1` or `1.2.3+build`"),
    text("summary", "what it does, up to 240 characters"),
    text("description", "the same at length"),
    text("homepage", "an address"),
    other("maintainers", "a list of tables", "who looks after it"),
    text("license", "its licence"),
];

const MAINTAINER_FIELDS: &[Field] =
    &[text("name", "a name"), text("email", "an address"), text("url", "an address")];

const REQUIRES_FIELDS: &[Field] = &[
    other("flwd", "a table", "kept as it is"),
    other("permissions", "a list of strings", "kept as they are"),
    other("containers", "a list of tables", "images that it uses"),
];

const CONTAINER_FIELDS: &[Field] = &[
    text("image", "an image"),
    text("platform", "such as `linux/amd64`"),
    Field::new("verify_signatures", Kind::Flag, "`false`", "whether it must be signed"),
];

const JOB_FIELDS: &[Field] = &[
    text("id", "a small letter, then small letters, digits, `_`, `.`, `:` and `-`, at least 3"),
    text("name", "its name"),
    text("summary", "what it does, up to 240 characters"),
    text("description", "the same at length"),
    other("extends", "a list of strings", "kept as they are"),
    other("argspec", "a table", "the arguments that the job takes"),
    other("requirements", "a table", "what it needs"),
    other(
        "command",
        "a string or a list of strings",
        "what runs in the image: a line for `sh -c`, or a program with its arguments",
    ),
];

const REQUIREMENT_FIELDS: &[Field] = &[other("tools", "a list of tables", "programs")];

const TOOL_FIELDS: &[Field] =
    &[text("name", "a program"), Field::new("version", Kind::TextOrNumber, "", "its version")];
