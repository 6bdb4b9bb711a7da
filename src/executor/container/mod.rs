//! Containers as steps: one small adapter to podman or docker, by their command lines.
//!
//! The engine's client runs as any step does, so its time, its output and its end are those of a step. What differs is
//! here: which engine there is, what it is told, and how containers are found again when a client was killed.

mod command_line;
mod engine;
mod image;
mod memory_folder;
mod places;
mod sweep;
mod variables;

pub use command_line::{ContainerPlan, HOSTS, Mount, Network, SECRETS, WORKSPACE, ulimits};
pub use engine::{
    CATATONIT, ENGINE_VARIABLES, Engine, EngineError, EngineKind, HYBRID, UNAVAILABLE, complaint,
};
pub use image::LocalImage;
pub use memory_folder::{MemoryFolder, forget};
pub use places::engine_places;
pub use sweep::labels;
pub use variables::{VariableError, Variables};
