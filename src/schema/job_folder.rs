//! The options of a job folder's `config.yaml`, and of `flwd.yaml`.

use super::option::{Field, Kind, Options};

/// Attempts after the first one, at most.
const MAX_RETRIES: u32 = 100;

const fn options(of: &'static str, groups: &'static [&'static [Field]]) -> Options {
    Options { of, groups, example: "" }
}

const fn field(name: &'static str, what: &'static str, default: &'static str, doc: &'static str) -> Field {
    Field::new(name, Kind::Other(what), default, doc)
}

const fn flag(name: &'static str, doc: &'static str) -> Field {
    Field::new(name, Kind::Flag, "`false`", doc)
}

const fn texts(name: &'static str, doc: &'static str) -> Field {
    Field::new(name, Kind::Texts, "none", doc)
}

/// `config.yaml`.
pub(crate) static JOB_CONFIG: Options =
    Options { example: "such as `interpreter: bash`", ..options("`config.yaml`", &[CONFIG_FIELDS]) };
/// `job` and each of `jobs`.
pub(crate) static JOB_BLOCK: Options = options("`job`", &[BLOCK_FIELDS]);
/// `container` of a job or step.
pub(crate) static JOB_CONTAINER: Options = options("`container`", &[CONTAINER_FIELDS]);
/// `resources` of `container`.
pub(crate) static JOB_RESOURCES: Options = options("`resources`", &[RESOURCE_FIELDS]);
/// `error_handling`.
pub(crate) static ERROR_HANDLING: Options = options("`error_handling`", &[ERROR_FIELDS]);
/// One of `steps`.
pub(crate) static JOB_STEP: Options = Options {
    example: "a step is such as `{id: build, script: build.sh}`",
    ..options("a step", &[STEP_FIELDS])
};
/// `argspec`.
pub(crate) static ARGSPEC: Options = Options {
    example: "such as `argspec: {args: [{name: env, type: string}]}`",
    ..options("`argspec`", &[ARGSPEC_FIELDS])
};
/// One of `args`.
pub(crate) static ARGUMENT: Options = Options {
    example: "an argument is such as `{name: env, type: string}`",
    ..options("an argument", &[ARGUMENT_NAME, ARGUMENT_FIELDS])
};
/// One of `arguments`.
pub(crate) static OLD_ARGUMENT: Options = options("an argument", &[OLD_ARGUMENT_FIELDS]);
/// `flwd.yaml`.
pub(crate) static ALIAS_FILE: Options = Options {
    example: "such as `aliases: [{from: demo, to: hello}]`",
    ..options("`flwd.yaml`", &[ALIAS_FILE_FIELDS])
};
/// One of `aliases`.
pub(crate) static ALIAS: Options = Options {
    example: "an alias is such as `{from: demo, to: hello}`",
    ..options("an alias", &[ALIAS_FIELDS])
};

const CONFIG_FIELDS: &[Field] = &[
    field("version", "a string or a number", "", "ignored"),
    field("job", "a table", "the folder's path", "id, name and summary of the job"),
    field("jobs", "a list of tables", "", "the same for several jobs that share the folder"),
    Field::new(
        "interpreter",
        Kind::Text,
        "",
        "the program that runs the scripts, with its arguments, or `container:IMAGE`",
    ),
    field("executor", "`container`, `proc` or `shell`", "`shell`", "where the scripts run"),
    field("container", "a table", "", "what the container is"),
    field("env", "a table of strings and numbers", "none", "variables of the scripts"),
    flag("env_inheritance", "whether the scripts also see the environment of quire; policy decides"),
    field(
        "timeout",
        "a number of seconds or a duration such as `5m`",
        "none",
        "the longest that the job may take",
    ),
    field("error_handling", "a table", "", "what follows when a script fails"),
    Field::new(
        "composition",
        Kind::Words(&["steps", "scripts"]),
        "",
        "`steps`: the steps in `steps`, in the order of their needs",
    ),
    field("steps", "a list of tables", "", "the steps"),
    field("argspec", "a table", "", "the arguments that the job takes"),
    field("arguments", "a table", "", "the same in an older form; read only without `argspec`"),
    field("aliases", "a list", "", "ignored; aliases are in `flwd.yaml`"),
];

const BLOCK_FIELDS: &[Field] = &[
    field("id", "a string", "the folder's path with dots", "what the job is called"),
    field("name", "a string", "the id", "its name in listings"),
    field("summary", "a string", "", "what it does, in a line"),
];

const CONTAINER_FIELDS: &[Field] = &[
    Field::new("image", Kind::Text, "that of `interpreter: container:IMAGE`", "the image"),
    field("resources", "a table", "", "processors and memory"),
    Field::new("network", Kind::Text, "`none`", "a network of the engine"),
    flag("rootfs_writable", "whether the image's own files may be written"),
    texts("capabilities", "capabilities"),
    texts("extra_args", "more arguments of the engine; policy decides"),
    texts("entrypoint", "the program that is started instead of the script's interpreter"),
];

const RESOURCE_FIELDS: &[Field] = &[
    Field::new("cpu", Kind::TextOrNumber, "", "processors: `1.5`, `500m`"),
    Field::new("memory", Kind::Size { least: 1 }, "", "memory"),
];

const ERROR_FIELDS: &[Field] = &[
    Field::new(
        "policy",
        Kind::Words(&["abort", "continue", "retry"]),
        "`abort`",
        "what follows when a script fails",
    ),
    Field::new(
        "retries",
        Kind::Count { least: 0, most: MAX_RETRIES },
        "0",
        "attempts after the first one, with `policy: retry`",
    ),
    field(
        "retry_backoff",
        "a number of seconds or a duration such as `5m`",
        "0",
        "the pause before each of them",
    ),
];

const STEP_FIELDS: &[Field] = &[
    field("id", "a string", "`step-000` and so on", "what other steps need it by"),
    field("name", "a string", "the id", "its name in listings"),
    Field::new("script", Kind::Text, "", "the script, relative to the job's folder"),
    texts("needs", "the steps that must have passed before"),
    field("executor", "`container`, `proc` or `shell`", "that of the job", "where it runs"),
    field("container", "a table", "that of the job", "what differs from the container of the job"),
];

const ARGSPEC_FIELDS: &[Field] = &[field("args", "a list of tables", "none", "the arguments")];

/// The types of arguments.
const TYPES: &str =
    "`string`, `integer`, `number`, `boolean`, `array`, `object`, `secret`, `path`, `file` or `directory`";

/// The types of items and values.
const SCALAR: Kind = Kind::Words(&["string", "integer", "number", "boolean"]);

const LENGTH: Kind = Kind::Count { least: 0, most: u32::MAX };

const ARGUMENT_NAME: &[Field] = &[
    field("name", "a string", "", "the name; a letter or `_`, then letters, digits, `_`, `-` and `.`"),
    field("title", "a string", "", "ignored"),
    flag("deprecated", "ignored"),
];

/// What `config.yaml` and `ci.manual` say of an argument.
pub(super) const ARGUMENT_FIELDS: &[Field] = &[
    field("type", TYPES, "`string`", "what its values are"),
    Field::new("format", Kind::Words(&["path", "file", "directory", "secret"]), "", "what a string is"),
    flag("secret", "whether its value is shown nowhere"),
    flag("required", "whether it must be given, and not be empty"),
    field("default", "a value of the type", "", "its value when it is not given"),
    field("description", "a string", "", "what it is for"),
    field("enum", "a list of values", "any", "the values that it may have"),
    Field::new("items_type", SCALAR, "`string`", "what the items of an array are"),
    field("items_enum", "a list of values", "any", "the items that an array may have"),
    Field::new("value_type", SCALAR, "`string`", "what the values of an object are"),
    field("minimum", "a number", "", "the smallest number"),
    field("maximum", "a number", "", "the largest number"),
    field("multipleOf", "a number above 0", "", "what a number must be a multiple of"),
    Field::new("minLength", LENGTH, "", "the fewest characters of a string"),
    Field::new("maxLength", LENGTH, "", "the most characters of a string"),
    Field::new("minItems", LENGTH, "", "the fewest items of an array"),
    Field::new("maxItems", LENGTH, "", "the most items of an array"),
];

const OLD_ARGUMENT_FIELDS: &[Field] = &[
    field("type", TYPES, "`string`", "what its values are"),
    field("default", "a value of the type", "", "its value when it is not given"),
    flag("required", "whether it must be given"),
    field("description", "a string", "", "what it is for"),
    field("choices", "a list of values", "any", "the values that it may have"),
];

const ALIAS_FILE_FIELDS: &[Field] = &[field("aliases", "a list of tables", "none", "the aliases")];

const ALIAS_FIELDS: &[Field] = &[
    field("from", "a string", "", "the job, by path or id"),
    field("to", "a string", "", "the other name: one word"),
    field("description", "a string", "", "what it is for"),
];
