//! What a container may. A pipeline asks, the operator's profile, table and bundle answer.
//!
//! [`decide()`] and [`choose`] are pure: a request and a [`Policy`] in, one [`Decision`] for each point out. What is not decided here:
//! steps on the host, which secrets a run has (`secret/`), and what an engine does with its arguments.

mod bundle;
mod cpus;
mod decide;
mod decision;
mod hint;
mod image;
mod mount;
mod of_run;
#[expect(clippy::module_inception, reason = "the file is named after its concept, as every other")]
mod policy;
mod profile;
mod request;
mod signature;
mod spec;
mod verify;

pub use crate::model::{Profile, ProfileError};
pub use bundle::{Bundle, Ceilings, MAX_BUNDLE, Overrides, SignatureMode};
pub use cpus::{Cpus, CpusError, MAX_CPUS};
pub use decide::{DEFAULT_PIDS, Limits, decide, decide_among, decide_environment, is_allowed, limits};
pub use decision::{
    CODES, DENIED, Decision, IMAGE_INVALID, PolicyPoint, REGISTRY_NOT_ALLOWED, SIGNATURE_REQUIRED, Verdict,
    denial, invalid_image,
};
pub use image::{DEFAULT_REGISTRY, ImageError, ImageRef, MAX_REFERENCE, is_registry};
pub use of_run::{StartProfiles, policy_of_run};
pub use policy::{BundleMistake, BundleState, Policy, bundle_problems};
pub use profile::{ProfileSource, choose};
pub use request::{ContainerRequest, MountRequest, NO_NETWORK};
pub use spec::{PolicyPlace, PolicySpec};
pub(crate) use verify::{check_signature, verify_file};
