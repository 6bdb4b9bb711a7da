//! `flwd`, the other name of quire. Tests have the numbers of the promises that they hold.

mod completion;
mod http;
mod service;
