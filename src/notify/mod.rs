//! Notifications: events, rules, messages, and their delivery.
//!
//! The notice of a run is written in the transaction that ends it (`store/outbox.sql`). The [`Courier`] compares notices with the
//! rules and puts messages into the outbox; from there each is sent at least once under an id that stays the same.
//! Nothing here delays a run. The contents of replies are not shown: they may contain an address, and addresses are secrets.

mod address;
mod announce;
mod backoff;
mod courier;
mod deliver;
mod dotenv;
mod event;
mod expand;
mod http_post;
mod message;
mod places;
mod repo_rules;
mod smtp;
mod tail;
mod target;
mod text;

pub(crate) use announce::{Announcement, announce};
pub(crate) use courier::{Courier, CourierStart};
pub(crate) use deliver::{deliver, test_message};
pub(crate) use dotenv::{DOTENV, load_dotenv};
pub(crate) use target::{TARGET_VARIABLES, find_target, variables};
