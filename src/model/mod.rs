//! Values that all parts of quire use: names, ids, outcomes, diagnostics.
//!
//! Nothing here does I/O. A type with a rule has one `parse`, which reports what is wrong, and no public way
//! around it.

mod access;
mod audit_action;
mod branch_name;
mod chain;
mod commit_id;
mod container_name;
mod diagnostic;
mod first_of;
mod grant;
mod hex;
mod job_id;
mod network;
mod outcome;
mod percent;
mod profile;
mod protection;
mod public_address;
mod public_key;
mod quoted;
mod reason;
mod ref_name;
mod remote_url;
mod repo_name;
mod reserved_name;
mod run_id;
mod run_mark;
mod scope;
mod secret_name;
mod shell_word;
mod size;
mod suggest;
mod text_id;
mod text_places;
mod time;
mod token_name;
mod user_name;
mod visibility;
mod web_origin;

pub use access::{
    AccessRule, AskedRepo, Because, Decision, KeyLimit, May, Person, RepoPattern, Subject, decide,
    everywhere, for_new,
};
pub(crate) use audit_action::AuditAction;
pub use branch_name::BranchName;
pub(crate) use chain::{chain, without_codes};
pub use commit_id::{CommitId, CommitIdError};
pub(crate) use container_name::{capability, container_user, network_name};
pub(crate) use diagnostic::{Diagnostic, Severity, Span, render_all};
pub(crate) use first_of::first_of;
pub(crate) use grant::Grant;
pub(crate) use hex::{hex, is_hex};
pub use job_id::JobId;
pub(crate) use network::Network;
pub use outcome::{Outcome, Progress};
pub(crate) use percent::{percent_decoded, percent_decoded_bytes, percent_encoded, percent_encoded_path};
pub use profile::{Profile, ProfileError};
pub(crate) use protection::rules_for;
pub use protection::{ProtectedRule, RefPattern};
pub(crate) use public_address::not_public;
pub(crate) use public_key::PublicKey;
pub(crate) use quoted::{MAX_QUOTED, Quoted, escape_controls, moves_text};
pub use reason::{Reason, codes};
pub use ref_name::{RefKind, RefName, RefNameError};
pub(crate) use remote_url::{RemoteUrl, UrlScheme};
pub use repo_name::{RepoName, RepoNameError};
pub(crate) use reserved_name::PAGE_WORDS;
pub use run_id::{RunId, RunIdError, RunName, RunNameError};
pub use run_mark::{InstanceId, InstanceIdError, RunMark};
pub use scope::Scope;
pub use secret_name::{SecretName, SecretNameError};
pub(crate) use shell_word::{shell_word, shell_words};
pub(crate) use size::{format_duration, format_size, parse_duration, parse_size};
pub(crate) use suggest::{kebab, suggest, suggest_among};
pub(crate) use text_places::TextPlaces;
pub use time::Timestamp;
pub(crate) use token_name::TokenName;
pub use user_name::UserName;
pub use visibility::Visibility;
pub(crate) use web_origin::WebOrigin;
