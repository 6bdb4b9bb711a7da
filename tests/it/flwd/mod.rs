//! `flwd`, the other name of quire. Tests have the numbers of the promises that they hold.

mod addons;
mod command_line;
mod completion;
mod containers;
mod http;
mod promises;
mod service;
mod sources;
mod streams;
