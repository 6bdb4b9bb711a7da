//! `quire login`: a link that signs a browser in.

use super::actor::own_actor;
use super::ask::perform as ask;
use super::exit::{Code, Ended, print, print_error};
use crate::app::{CreateLoginLink, LoginLink};
use crate::config::DataDir;

/// `quire login`.
pub(super) fn login(data: &DataDir) -> Ended {
    let LoginLink { url, expires_at } = ask(data, CreateLoginLink { by: own_actor() })?;
    print_error(&format!("open it in a browser before {expires_at}; it works once, and has every scope\n"));
    print(&format!("{url}\n"));
    Ok(Code::Done)
}
