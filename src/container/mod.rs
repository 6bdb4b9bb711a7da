//! The containers of a run: its engine, its images, its services, and steps that run in one.
//!
//! [`Engine`] is a small adapter to podman or docker, by their command lines. The engine's client runs as any step does,
//! so its time, its output and its end are those of a step. What differs is here: which engine is used, with which options,
//! which images there are, and how containers are found again when a client was killed. Policy decides (`policy/`); when a
//! step starts and ends is decided in `run/`.

mod build_image;
mod called_step;
mod client_call;
mod client_output;
mod command_line;
mod containers;
mod dockerfile;
mod engine;
mod executor;
mod image;
mod image_user;
mod job_place;
mod memory_folder;
mod places;
mod request;
mod services;
mod sweep;
mod user;
mod variables;
mod workspace_turn;

pub use build_image::ImageSource;
pub(crate) use called_step::{CalledStep, image_of};
pub use command_line::Network;
pub(crate) use command_line::ulimits;
pub use containers::Containers;
pub(crate) use engine::{CATATONIT, ENGINE_VARIABLES, Engine, HYBRID, UNAVAILABLE};
pub use executor::{ContainerExecutor, Role};
pub(crate) use image::LocalImage;
pub(crate) use job_place::JobPlace;
pub(crate) use memory_folder::MemoryFolder;
pub(crate) use memory_folder::forget;
pub(crate) use request::request;
