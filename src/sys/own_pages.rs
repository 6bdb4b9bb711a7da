//! Releases pages of the program itself that are mapped and not needed for now.
//!
//! The kernel maps sixteen pages around each one that is used, so a waiting process maps many pages of its program that it
//! has never run. They are clean and stay in the page cache: using them again costs a minor fault.

use std::fs;
use std::io;

use rustix::mm::{Advice, madvise};

/// Releases the mapped pages of this program's file that are as they are in it: code and constants (madvise(2):
/// `MADV_DONTNEED`).
///
/// # Errors
/// The mappings cannot be read, or the kernel refuses.
pub(crate) fn give_back() -> io::Result<()> {
    let program = fs::read_link("/proc/self/exe")?;
    let program = program.to_str().unwrap_or_default();
    let mappings = fs::read_to_string("/proc/self/smaps")?;
    clean(&mappings, program).into_iter().try_for_each(|(start, length)| forget(start, length))
}

/// The mappings of a program that cannot be written and of which no page was (proc(5): `/proc/pid/smaps`). Constants that
/// were written while the program was loaded are not among them.
fn clean(mappings: &str, program: &str) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), None);
    for line in mappings.lines() {
        if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            found.extend(at.take().filter(|_| anonymous.trim() == "0 kB"));
        } else if !program.is_empty() && line.ends_with(program) {
            at = read_only(line);
        }
    }
    found
}

/// The range of a mapping that cannot be written.
fn read_only(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (range, mode) = (words.next()?, words.next()?);
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    matches!(mode, "r-xp" | "r--p").then(|| Some((start, end.checked_sub(start)?))).flatten()
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
    fn only_what_nobody_has_written_is_selected() {
        let mapping = |range: &str, mode: &str, name: &str, anonymous: &str| {
            format!(
                "{range} {mode} 00001000 fe:00 12 {name}\nRss: 8 kB\nAnonymous:  {anonymous} kB\nVmFlags: rd\n"
            )
        };
        let mappings = [
            mapping("00400000-00401000", "r--p", "/bin/quire", "0"),
            mapping("00401000-00403000", "r-xp", "/bin/quire", "0"),
            mapping("00403000-00404000", "r--p", "/bin/quire", "4"),
            mapping("00404000-00405000", "rw-p", "/bin/quire", "0"),
            mapping("00405000-00406000", "r-xp", "/lib/other", "0"),
            mapping("00406000-00407000", "r-xp", "", "0"),
        ];
        assert_eq!(clean(&mappings.concat(), "/bin/quire"), [(0x0040_0000, 0x1000), (0x0040_1000, 0x2000)]);
        assert_eq!(clean("nonsense\nAnonymous: 0 kB", "/bin/quire"), []);
    }

    #[test]
    fn the_program_keeps_running() {
        give_back().unwrap();
        assert_eq!(format!("{}", 40 + 2), "42");
    }
}
