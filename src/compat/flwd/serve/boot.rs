//! What has to hold before `flwd :serve` serves: a bundle that can be used and is verified, and a container engine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::flags::ServeFlags;
use crate::cli::exit::{Code, Failure};
use crate::config::Bind;
use crate::container::UNAVAILABLE;
use crate::model::Profile;
use crate::policy::{Bundle, verify_file};
use crate::sys::search_path::find_program;

/// The bundle that counts when the environment names none.
const DEFAULT_BUNDLE: &str = "flwd.policy.yaml";

/// The container engine of this machine.
///
/// # Errors
/// There is none.
pub(super) fn engine(environment: &[(String, String)]) -> Result<&'static str, Failure> {
    let path = environment.iter().find(|(name, _)| name == "PATH").map_or("", |(_, path)| path.as_str());
    let is_there = |engine: &&str| find_program(engine, OsStr::new(path)).is_some();
    if let Some(engine) = ["podman", "docker"].into_iter().find(is_there) {
        return Ok(engine);
    }
    let text =
        format!("container runtime preflight failed: {UNAVAILABLE}: neither podman nor docker is in PATH");
    Err(Failure::new(Code::Failed, text).hint("install one (Debian: apt-get install podman)"))
}

/// The bundle, read and, for the profile `secure`, verified. Blocking.
///
/// # Errors
/// It cannot be used, or cosign does not agree.
pub(super) fn bundle(
    flags: &ServeFlags,
    named: Option<String>,
    environment: &[(String, String)],
) -> Result<Option<PathBuf>, Failure> {
    let default = || Path::new(DEFAULT_BUNDLE).is_file().then(|| PathBuf::from(DEFAULT_BUNDLE));
    let Some(path) = named.map(PathBuf::from).or_else(default) else { return Ok(None) };
    let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
    Bundle::load(&absolute, &path.display().to_string())
        .map_err(|wrong| Failure { code: Code::Failed, ..Failure::mistakes(&wrong) })?;
    if flags.profile() == Profile::Secure {
        verify_file(&absolute, environment).map_err(|reason| {
            let text = format!("the policy bundle {} is not verified: {reason}", path.display());
            Failure::new(Code::Failed, text)
                .hint("`cosign verify --keyless FILE` has to succeed in the profile secure; docs/flwd.md shows a wrapper")
        })?;
    }
    Ok(Some(absolute))
}

/// Warns of what is open that somebody may take for closed.
pub(super) fn warn(flags: &ServeFlags, has_bundle: bool, has_key: bool) {
    if flags.profile() == Profile::Secure && !has_bundle {
        tracing::warn!("no policy bundle: no signatures of images are required");
    }
    let is_open = matches!(flags.bind, Bind::Address(address) if !address.ip().is_loopback());
    if flags.is_dev && is_open {
        tracing::warn!("--dev: whoever reaches this address may run jobs");
    }
    if !flags.is_dev && !has_key {
        tracing::info!("$FLWD_JWT_SECRET is not set: only tokens of `quire token new` count");
    }
}
