//! Which boot of the machine this is: process ids and start times mean something only within one.

use std::io;

/// The id of the running boot, a UUID that the kernel draws at start.
///
/// # Errors
/// The kernel's file could not be read.
pub fn boot_id() -> io::Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
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
