//! Where the steps of a job run: its image, and what runs next to them.

use tokio::sync::OnceCell;

use super::services::Services;
use crate::script::ContainerOptions;

/// Where the steps of a job run.
pub(crate) struct JobPlace {
    /// Its image; without one its steps run on the host.
    pub(crate) image: Option<String>,
    /// What its container is asked to be, and its services.
    pub(crate) options: ContainerOptions,
    /// Its services, once a step needed them.
    pub(crate) services: OnceCell<Services>,
}
