//! Room on a disk.

use std::io;
use std::path::Path;

/// The bytes that this account can still write where a path is.
///
/// # Errors
/// When the system does not know.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
