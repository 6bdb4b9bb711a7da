//! What an argument of a job is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An argument that a job takes. As JSON it has the keys of `config.yaml`, without those that say nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ArgSpec {
    pub(crate) name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub(crate) kind: ArgKind,
    /// What a text is, when `format` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<ArgFormat>,
    /// Whether its value is shown nowhere.
    #[serde(rename = "secret", default, skip_serializing_if = "is_false")]
    pub(crate) is_secret: bool,
    /// Whether it must be given.
    #[serde(rename = "required", default, skip_serializing_if = "is_false")]
    pub(crate) is_required: bool,
    /// Its value when it is not given, of its own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<Value>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// The values that it may have, as text; all when empty.
    #[serde(rename = "enum", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) choices: Vec<String>,
    /// What the items of an array are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) items_type: Option<ArgKind>,
    /// The items that an array may have, as text; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) items_enum: Vec<String>,
    /// What the values of an object are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value_type: Option<ArgKind>,
    /// What numbers, texts and arrays must not exceed.
    #[serde(flatten)]
    pub(crate) bounds: Bounds,
}

/// What the values of an argument are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ArgKind {
    /// Text.
    #[default]
    String,
    /// A whole number.
    Integer,
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// Values by name.
    Object,
    /// A path, of something that need not exist.
    Path,
    /// The path of a file.
    File,
    /// The path of a folder.
    Directory,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ArgFormat {
    /// A path, of something that need not exist.
    Path,
    /// The path of a file.
    File,
    /// The path of a folder.
    Directory,
    Secret,
}

/// What the values of an argument must not exceed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Bounds {
    /// The smallest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) minimum: Option<f64>,
    /// The largest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) maximum: Option<f64>,
    /// What a number must be a multiple of; above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) multiple_of: Option<f64>,
    /// The fewest characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_length: Option<u32>,
    /// The most characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_length: Option<u32>,
    /// The fewest items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_items: Option<u32>,
    /// The most items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_items: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl ArgKind {
    pub(super) const ALL: [Self; 9] = [
        Self::String,
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::Array,
        Self::Object,
        Self::Path,
        Self::File,
        Self::Directory,
    ];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Path => "path",
            Self::File => "file",
            Self::Directory => "directory",
        }
    }

    /// The kind of this word, or of an older one.
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "bool" => Some(Self::Boolean),
            "int" => Some(Self::Integer),
            _ => Self::ALL.into_iter().find(|kind| kind.as_str() == word),
        }
    }

    /// One value, in the words of a message: `a string`.
    pub(in crate::pipeline) fn one(self) -> &'static str {
        match self {
            Self::String | Self::Path | Self::File | Self::Directory => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }

    /// Whether values are text.
    pub(in crate::pipeline) fn is_text(self) -> bool {
        matches!(self, Self::String | Self::Path | Self::File | Self::Directory)
    }
}

impl ArgFormat {
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "path" => Some(Self::Path),
            "file" => Some(Self::File),
            "directory" => Some(Self::Directory),
            "secret" => Some(Self::Secret),
            _ => None,
        }
    }
}

impl ArgSpec {
    /// What its text is, by its type or format.
    pub(crate) fn text_format(&self) -> Option<ArgFormat> {
        match self.kind {
            ArgKind::Path => Some(ArgFormat::Path),
            ArgKind::File => Some(ArgFormat::File),
            ArgKind::Directory => Some(ArgFormat::Directory),
            ArgKind::String
            | ArgKind::Integer
            | ArgKind::Number
            | ArgKind::Boolean
            | ArgKind::Array
            | ArgKind::Object => self.format,
        }
    }

    /// Whether this is a flag on a command line: `--loud`.
    pub(crate) fn is_flag(&self) -> bool {
        self.kind == ArgKind::Boolean
    }

    /// What the items of an array, or the values of an object, are.
    pub(in crate::pipeline) fn inner_kind(&self) -> ArgKind {
        let declared = if self.kind == ArgKind::Object { self.value_type } else { self.items_type };
        declared.unwrap_or_default()
    }
}
