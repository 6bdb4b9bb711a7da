//! Which boot of the machine this is, and which namespace: process ids and start times mean something only within one.

use std::io;
use std::sync::OnceLock;

/// The id of the running boot, a UUID that the kernel draws at start. It is read once: later there may be no free descriptor.
///
/// # Errors
/// The kernel's file could not be read.
pub(crate) fn boot_id() -> io::Result<String> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(boot) = BOOT.get() {
        return Ok(boot.clone());
    }
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(BOOT.get_or_init(|| text.trim().to_owned()).clone())
}

/// The pid namespace of this process: process ids mean something only within one. `None` where
/// `/proc` does not show it.
pub(crate) fn pid_namespace() -> Option<u64> {
    let name = std::fs::read_link("/proc/self/ns/pid").ok()?;
    name.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_boot_has_one_id() {
        let id = super::boot_id().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id, super::boot_id().unwrap());
    }
}
