//! `quire doctor`: what this machine can do for quire, and what it cannot.
//!
//! One file a family: `look` gathers facts, `judge` is a function from them to checks, `check` is both. A new family is
//! a file, and its line in [`FAMILIES`] (with its `mod`).

mod bwrap;
mod cgroup;
mod check;
mod config;
mod container;
mod data;
mod database;
mod git;
mod hooks;
mod instance;
mod owners;
mod repos;
mod requirements;
mod runs;
mod secrets;
mod server;
mod spool;

use crate::config::DataDir;

pub use check::{Check, Level};

/// What is looked at: a data folder, and where programs are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Examined<'a> {
    pub(crate) data: &'a DataDir,
    /// `$PATH`.
    pub(crate) path: Option<&'a str>,
}

/// What is looked at: its name, and who looks.
type Family = (&'static str, fn(Examined<'_>) -> Vec<Check>);

/// What is looked at, in this order.
const FAMILIES: &[Family] = &[
    ("git", |it| git::check(it.data)),
    ("data", |it| data::check(it.data)),
    ("data", |it| owners::check(it.data)),
    ("data", |it| instance::check(it.data)),
    ("database", |it| database::check(it.data)),
    ("server", |it| server::check(it.data)),
    ("hooks", |it| hooks::check(it.data)),
    ("repos", |it| repos::check(it.data)),
    ("spool", |it| spool::check(it.data)),
    ("runs", |it| runs::check(it.data)),
    ("config", |it| config::check(it.data)),
    ("isolation", requirements::check),
    ("secrets", |it| secrets::check(it.data)),
    ("cgroup", |it| cgroup::check(it.data)),
    ("container", |it| container::check(it.data)),
    ("bwrap", |it| bwrap::check(it.data)),
];

/// Looks at everything, and says what was found in which family. Blocking.
pub fn doctor(examined: Examined<'_>) -> Vec<(&'static str, Check)> {
    let of_family = |(family, check): &Family| {
        let family = *family;
        check(examined).into_iter().map(move |check| (family, check))
    };
    FAMILIES.iter().flat_map(of_family).collect()
}
