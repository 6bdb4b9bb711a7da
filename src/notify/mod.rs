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

pub use announce::{Announcement, announce};
pub use courier::{Courier, CourierStart};
pub use deliver::{deliver, test_message};
pub use dotenv::{DOTENV, load_dotenv};
pub use http_post::NotSent;
pub use message::Message;
pub use target::{TARGET_VARIABLES, Target, find_target, variables};
