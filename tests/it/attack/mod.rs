//! The standing attack suite: what found faults that reading did not, kept running.
//!
//! Each part is a test in a module of its own, written as
//!
//! ```ignore
//! #[test]
//! fn no_value_leaves_by_any_way() {
//!     let mut attack = Attack::new("redaction", 2);
//!     while let Some(mut random) = attack.next_round() {
//!         // … attack, by choices that `random` makes and nothing else …
//!         attack.count(Count::Pushes, 1);
//!         attack.harm(Harm::Leak, "the input that did it");
//!     }
//!     attack.finish();
//! }
//! ```
//!
//! In `dev/test` a part makes its given number of rounds, always with the same seed. `dev/attack` finds the parts by
//! their names (`attack::MODULE::test`), gives each its share of the minutes and adds up the figures.

mod checks;
mod corpus;
mod disk;
mod encodings;
mod forge;
mod frames;
mod leaks;
mod mutate;
mod random;
mod redaction;
mod redactor;
mod report;
mod requests;
mod scripts;
mod storm;
mod trees;
mod values;
mod ways;

pub(crate) use random::Random;
pub(crate) use report::{Attack, Count, Harm};
