//! Values that all parts of quire use: names, ids, outcomes, diagnostics.
//!
//! Nothing here does I/O. A type with a rule has one `parse`, which reports what is wrong, and no public way
//! around it.

mod audit_action;
mod branch_name;
mod chain;
mod commit_id;
mod container_name;
mod diagnostic;
mod first_of;
mod grant;
mod job_id;
mod network;
mod outcome;
mod percent;
mod profile;
mod public_address;
mod quoted;
mod reason;
mod ref_name;
mod remote_url;
mod repo_name;
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
mod visibility;
mod web_origin;

pub use audit_action::AuditAction;
pub use branch_name::{BranchName, BranchNameError};
pub use chain::chain;
pub use commit_id::{CommitId, CommitIdError};
pub use container_name::{ContainerNameError, MAX_CONTAINER_NAME, capability, container_user, network_name};
pub use diagnostic::{Diagnostic, Severity, Span, render_all};
pub use first_of::first_of;
pub use grant::Grant;
pub use job_id::{JobId, JobIdError};
pub use network::{Network, NetworkError};
pub use outcome::{Outcome, Progress};
pub use percent::percent_encoded;
pub use profile::{Profile, ProfileError};
pub use public_address::not_public;
pub use quoted::{MAX_QUOTED, Quoted, escape_controls};
pub use reason::{Reason, codes};
pub use ref_name::{RefKind, RefName, RefNameError};
pub use remote_url::{RemoteUrl, RemoteUrlError, UrlScheme};
pub use repo_name::{RepoName, RepoNameError};
pub use run_id::{RunId, RunIdError, RunName, RunNameError};
pub use run_mark::{InstanceId, InstanceIdError, RunMark};
pub use scope::Scope;
pub use secret_name::{SecretName, SecretNameError};
pub use shell_word::shell_word;
pub use size::{DurationError, SizeError, format_duration, format_size, parse_duration, parse_size};
pub use suggest::{kebab, suggest, suggest_among};
pub use text_places::TextPlaces;
pub use time::Timestamp;
pub use token_name::{TokenName, TokenNameError};
pub use visibility::Visibility;
pub use web_origin::{WebOrigin, WebOriginError};
