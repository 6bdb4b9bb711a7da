//! Redaction: what a job prints passes through a [`RedactStream`] before it reaches a file, a socket or an error.
//!
//! - `needle.rs` lists the forms of a value that must be found (`encode.rs`, `escape.rs` write them);
//! - `automaton.rs` finds all of them in one walk over the bytes;
//! - `fold.rs` lets that walk step over gaps (white space, colours, what `sequence.rs` knows), so that a wrapped form is the
//!   same needle as an unwrapped one;
//! - `beginnings.rs` says how far nothing in a text begins a form, so that nobody needs to walk there;
//! - `dump.rs` reads lines of hex dumps in the forms of `dump_form.rs`, and seeks the parts of values that `window.rs` knows;
//! - `stream.rs` keeps what is needed between two chunks, and `redactor.rs` is the door to it all;
//! - `redacted_text.rs` is a text that has passed: the only one that is shortened.
//!
//! Besides, `credential.rs` has the secrets that quire itself gives out: tokens, sessions, login links.
//!
//! Invariants:
//! - The result depends on the bytes alone, not on how they were cut into chunks.
//! - Ranges that overlap or touch become one [`MARK`], so neither a tail nor the number of matches is shown.
//! - Each byte is looked at a few times at most; what is held back is a live beginning of a needle, or of a part of a value in a dump, and
//!   nothing else.
//!
//! Why an automaton of our own, and why two of them. A form wrapped at 76 columns may have its first break after
//! any of its bytes, which would be 76 needles for each base64 form, and 64 (`openssl`), 60 (`xxd -p`) and indented
//! forms would still be missing. So forms are sought without white space in the text *without* its white space, and those
//! that are short or have some in the text as it is, too. Skipping a break in one shared automaton would be wrong: the
//! same state stands for a many-line value, which needs that break. The crate `aho-corasick` does not
//! report the depth of a state, which is how many bytes must be held back; without it every chunk would wait for the
//! longest needle, and one 64 KiB secret would delay all output by 128 KiB.
//!
//! Not done here: it does not stop a job that transforms a secret on purpose (reversed, encrypted, letter by
//! letter); grants are for that. Base64 characters that share bits with a neighbouring unknown byte stay (at
//! most 4 bits of the value at each end). The needles live in memory as long as the redactor, and are not wiped.

mod automaton;
mod beginnings;
mod credential;
mod without_credentials;
mod dump;
mod dump_form;
mod encode;
mod escape;
mod fold;
mod grant;
mod needle;
mod redacted_text;
mod redactor;
mod sequence;
mod sources;
mod stream;
#[cfg(test)]
mod tests;
mod window;

pub use credential::{Credential, CredentialHash, CredentialKind};
pub use grant::{GrantSource, GrantValue, SecretError, SecretGrant, SecretValues, lend, read_value};
pub use redacted_text::RedactedText;
pub use redactor::{MARK, Redacted, Redactor};
pub use sources::{SecretRequest, SecretSources, Secrets};
pub(crate) use stream::RedactStream;
pub(crate) use without_credentials::without_credentials;
