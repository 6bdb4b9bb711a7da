//! What a pipeline asks for when it starts a container.

use std::path::PathBuf;

use super::cpus::Cpus;
use super::image::ImageRef;

/// What a pipeline asks for when it starts a container. Nothing in it is granted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRequest {
    /// The job or service that asks.
    pub(crate) subject: String,
    pub(crate) image: ImageRef,
    /// The network of the engine; `none` for no network.
    pub network: String,
    /// Processors.
    pub(crate) cpus: Option<Cpus>,
    /// Bytes of memory.
    pub(crate) memory: Option<u64>,
    /// Processes.
    pub(crate) pids: Option<u32>,
    /// Folders of the host beyond the workspace.
    pub(crate) mounts: Vec<MountRequest>,
    /// The user inside, when it is not the image's.
    pub(crate) user: Option<String>,
    /// Whether the image's own files shall be writable.
    pub(crate) rootfs_writable: bool,
    /// Capabilities, with or without `CAP_`.
    pub(crate) caps: Vec<String>,
    /// Names of what would give the host away: `privileged`, `pid=host`, `devices`.
    pub(crate) privileged: Vec<String>,
    /// Whether it shall have the variables that the operator passes to steps on the host.
    pub(crate) env_inheritance: bool,
}

/// A folder of the host that a container asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRequest {
    /// The folder; symbolic links in it are followed already.
    pub(crate) source: PathBuf,
    /// Where it shall be inside.
    pub(crate) target: PathBuf,
    /// Whether it shall be writable.
    pub(crate) writable: bool,
}

impl ContainerRequest {
    /// The request that asks for nothing but the image.
    pub fn new(subject: impl Into<String>, image: ImageRef) -> Self {
        Self {
            subject: subject.into(),
            image,
            network: NO_NETWORK.to_owned(),
            cpus: None,
            memory: None,
            pids: None,
            mounts: Vec::new(),
            user: None,
            rootfs_writable: false,
            caps: Vec::new(),
            privileged: Vec::new(),
            env_inheritance: false,
        }
    }
}

/// The word for no network.
pub const NO_NETWORK: &str = "none";
