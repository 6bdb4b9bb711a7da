//! What people can write in the files that quire reads: primitives and options in one table, values with their places,
//! and one reader of both. No I/O, no language: who reads Fennel, Lua, TOML or YAML makes [`Node`]s of it.

mod node;

pub use node::{Node, Source, Value};
