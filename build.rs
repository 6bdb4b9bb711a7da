//! Takes the Fennel compiler from the crate that carries it and hands its text, version and sha256 to the crate.
//!
//! Nothing of Fennel is committed. `QUIRE_FENNEL_LUA=/path/fennel.lua` takes another one, for packagers.

#[path = "build/fennel_text.rs"]
mod fennel_text;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use sha2::{Digest, Sha256};

/// Where the carrying crate keeps the file.
const EMBEDDED: &str = "/defaults/etc/fennel.lua";

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("cargo::error={problem}");
            ExitCode::FAILURE
        }
    }
}

/// Writes `OUT_DIR/fennel.lua` and the variables that describe it.
#[expect(clippy::disallowed_methods, reason = "cargo speaks to a build script through its environment")]
fn embed() -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/fennel_text.rs");
    println!("cargo::rerun-if-env-changed=QUIRE_FENNEL_LUA");
    let (text, version) = match env::var("QUIRE_FENNEL_LUA") {
        Ok(path) if !path.is_empty() => from_path(&path)?,
        _ => from_crate()?,
    };
    let out = env::var("OUT_DIR").map_err(|_| "cargo sets no OUT_DIR".to_owned())?;
    let file = Path::new(&out).join("fennel.lua");
    fs::write(&file, &text).map_err(|error| format!("could not write {}: {error}", file.display()))?;
    println!("cargo::rustc-env=QUIRE_FENNEL_SHA256={}", sha256(text.as_bytes()));
    println!("cargo::rustc-env=QUIRE_FENNEL_VERSION={version}");
    Ok(())
}

/// The compiler that a packager names; any release that is new enough.
fn from_path(path: &str) -> Result<(String, String), String> {
    println!("cargo::rerun-if-changed={path}");
    let text = fs::read_to_string(path).map_err(|error| format!("QUIRE_FENNEL_LUA={path}: {error}"))?;
    let version = fennel_text::check_override(path, &text)?;
    Ok((text, version))
}

/// The compiler that the build dependency carries; exactly the pinned release.
fn from_crate() -> Result<(String, String), String> {
    let file = iocaine_label::Comrades::get(EMBEDDED)
        .ok_or_else(|| format!("the crate iocaine-label has no {EMBEDDED}; keep it at =3.5.1"))?;
    fennel_text::check_pinned(&sha256(&file.data))?;
    let text = String::from_utf8(file.data.into_owned()).map_err(|error| error.to_string())?;
    let version = fennel_text::version_of(&text).ok_or("the pinned fennel.lua names no version")?.to_owned();
    Ok((text, version))
}

/// The sha256 of some bytes in hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
