//! The pages of a repository: its files, its history, its branches, and what feeds and badges say about it.
//!
//! A page asks [`crate::app::browse`] who may see the repository, reads it through [`BrowsedRepo`](crate::app::BrowsedRepo), and
//! renders what it got. Names, subjects and files are what somebody has pushed: templates escape them, [`place::shown`] and
//! [`code`] make control characters visible first, and addresses are encoded byte by byte.

mod badge;
mod blame;
mod blob;
mod clone_address;
mod code;
mod colours;
mod commit;
mod compare;
mod differences;
mod feeds;
mod home;
mod log;
mod place;
mod raw;
mod readme;
mod refs;
mod rows;
mod search;
mod tree;

use axum::response::Response;

use super::ask::Ask;
use super::no_page;
use crate::http::problem::Refused;

pub(super) use badge::cruise;
pub(super) use feeds::all_runs;

/// The page at an address below a repository.
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    match (ask.address.page, ask.address.rest.as_str()) {
        ("", _) => home::page(ask).await,
        ("tree", _) => tree::page(ask).await,
        ("blob", _) => blob::page(ask).await,
        ("blame", _) => blame::page(ask).await,
        ("log", _) => log::page(ask).await,
        ("commit", _) => commit::page(ask).await,
        ("compare", _) => compare::page(ask).await,
        ("refs", "") => refs::page(ask).await,
        ("search", "") => search::page(ask).await,
        ("raw", _) => raw::file(ask).await,
        ("archive", _) => raw::archive(ask).await,
        ("badge.svg", "") => badge::page(ask).await,
        ("commits.atom", "") => feeds::commits(ask).await,
        ("tags.atom", "") => feeds::tags(ask).await,
        ("runs.atom", "") => feeds::runs(ask).await,
        _ => Err(no_page()),
    }
}
