//! Releases pages of the program itself that are mapped and not needed for now.
//!
//! The kernel maps sixteen pages around each one that is used, so a waiting process maps many pages of its program that it
//! has never run. They are clean and stay in the page cache: using them again costs a minor fault.

use std::fs;
use std::io;

use rustix::mm::{Advice, madvise};

/// Releases the mapped pages of the code of this program (madvise(2): `MADV_DONTNEED`).
///
/// # Errors
/// The mappings cannot be read, or the kernel refuses.
pub(crate) fn give_back() -> io::Result<()> {
    let program = fs::read_link("/proc/self/exe")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    for line in maps.lines().filter(|line| program.to_str().is_some_and(|path| line.ends_with(path))) {
        if let Some((start, length)) = code(line) {
            forget(start, length)?;
        }
    }
    Ok(())
}

/// The range of a mapping, if it is code that cannot be written.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (range, mode) = (words.next()?, words.next()?);
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    (mode == "r-xp").then(|| Some((start, end.checked_sub(start)?))).flatten()
}

#[expect(unsafe_code, reason = "advice about pages is given by their address")]
fn forget(start: usize, length: usize) -> io::Result<()> {
    let pages = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the range is a mapping of this program's file that cannot be written to, so its pages have nothing but what
    // is in the file: the kernel maps them again when they are used.
    unsafe { madvise(pages, length, Advice::LinuxDontNeed) }.map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_selected() {
        assert_eq!(code("00401000-00403000 r-xp 00001000 fe:00 12 /bin/quire"), Some((0x0040_1000, 0x2000)));
        assert_eq!(code("00403000-00404000 r--p 00003000 fe:00 12 /bin/quire"), None);
        assert_eq!(code("00404000-00405000 rw-p 00004000 fe:00 12 /bin/quire"), None);
        assert_eq!(code("nonsense"), None);
    }

    #[test]
    fn the_program_keeps_running() {
        give_back().unwrap();
        assert_eq!(format!("{}", 40 + 2), "42");
    }
}
