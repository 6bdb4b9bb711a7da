//! What people can write in the files that quire reads: primitives and options in one table, values with their places,
//! and one reader of both. No I/O, no language: who reads Fennel, Lua, TOML or YAML makes [`Node`]s of it.
//!
//! A new option is an entry in [`pipeline`] or [`settings`], a new primitive one in [`PRIMITIVES`]: messages, suggestions, the
//! reference in `CI-FENNEL.md` and `docs/config.md`, and the docset of editors are made of these entries.

pub(crate) mod addon;
mod elsewhere;
mod fields;
pub(crate) mod job_folder;
mod node;
mod option;
pub mod pipeline;
mod places;
mod primitive;
pub mod settings;
mod shape;
mod toml;
pub(crate) mod workflow;
mod yaml;

pub use elsewhere::{binding_words, elsewhere, is_program};
pub use fields::{Fields, Mistakes};
pub use node::{Node, Number, Source, Value};
pub use option::{Field, Kind, Options, Status};
pub use places::Places;
pub use primitive::{Call, PLANNED_INPUTS, PRIMITIVES, PlannedInput, Primitive, planned_input, primitive_of};
pub(crate) use shape::{SHAPES, shape_of};
pub(crate) use toml::{TomlKey, TomlNodes};
pub(crate) use yaml::read_yaml;
