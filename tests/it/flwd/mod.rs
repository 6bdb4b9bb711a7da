//! The names of `flwd`: its HTTP interface. The tests have the numbers of the promises that they hold.

mod http;
mod service;
