//! Amounts of a machine: processors and memory, as people and bundles write them.

use std::fmt;

use crate::model::{Quoted, parse_byte_size};

/// The most processors that can be asked for.
pub const MAX_CPUS: u32 = 1024;

/// Processors, in thousandths; never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(u32);

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Of processors.
    #[error("{0} is not a number of processors: write it as `500m`, `1.5` or `2`")]
    Cpus(Quoted),
    /// Of memory.
    #[error("{0} is not an amount of memory: write it as `512MiB`, `2g` or bytes")]
    Memory(Quoted),
}

impl Cpus {
    /// Reads `500m`, `1.5` or `2`.
    ///
    /// # Errors
    /// Says how it is written.
    pub fn parse(text: &str) -> Result<Cpus, AmountError> {
        let milli = match text.strip_suffix('m') {
            Some(milli) => digits(milli),
            None => {
                let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
                let fits = (1..=3).contains(&part.len());
                let scale = 10_u32.pow(3_u32.saturating_sub(u32::try_from(part.len()).unwrap_or(3)));
                let part = if fits { digits(part).map(|part| part * scale) } else { None };
                digits(whole).and_then(|whole| whole.checked_mul(1000)?.checked_add(part?))
            }
        };
        milli.and_then(Cpus::from_milli).ok_or_else(|| AmountError::Cpus(Quoted::new(text)))
    }

    /// This many thousandths of a processor, when that is more than none and not too many.
    pub fn from_milli(milli: u32) -> Option<Cpus> {
        (milli > 0 && milli <= MAX_CPUS * 1000).then_some(Cpus(milli))
    }

    /// The thousandths.
    pub fn milli(self) -> u32 {
        self.0
    }
}

fn digits(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl fmt::Display for Cpus {
    /// As engines and bundles read it: `1.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1000, self.0 % 1000);
        if part == 0 {
            return write!(f, "{whole}");
        }
        f.write_str(format!("{whole}.{part:03}").trim_end_matches('0'))
    }
}

/// Reads memory: what [`parse_byte_size`] reads, and `k`, `ki`, `kib`, `m` … `gib` in small letters, all of them powers of 1024.
///
/// # Errors
/// Says how it is written.
pub fn parse_memory(text: &str) -> Result<u64, AmountError> {
    let written = text;
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "k" | "ki" | "kib" => Some(10),
        "m" | "mi" | "mib" => Some(20),
        "g" | "gi" | "gib" => Some(30),
        _ => None,
    };
    let bytes = match shift {
        Some(shift) => number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift)),
        None => parse_byte_size(text).ok(),
    };
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| AmountError::Memory(Quoted::new(written)))
}

/// Memory as a bundle reads it: `512MiB`.
pub fn format_memory(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors() {
        for (text, milli, back) in [
            ("500m", 500, "0.5"),
            ("1.5", 1500, "1.5"),
            ("2", 2000, "2"),
            ("0.001", 1, "0.001"),
            ("0.25", 250, "0.25"),
            ("1024", 1_024_000, "1024"),
        ] {
            let cpus = Cpus::parse(text).unwrap();
            assert_eq!((cpus.milli(), cpus.to_string().as_str()), (milli, back));
            assert_eq!(Cpus::parse(back), Ok(cpus));
        }
        for text in
            ["", "0", "0m", "-1", "+1", "1.", ".5", "1.0001", "1e3", "m", "1.5m", "1025", "99999999999", "1 "]
        {
            assert!(Cpus::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory() {
        for text in ["512m", "512mi", "512MiB", "512M", "512Mi", "512mib", "536870912", "524288k"] {
            assert_eq!(parse_memory(text), Ok(512 << 20), "{text}");
        }
        for bytes in [1, 1023, 1024, 3 << 20, 8 << 30, 1_000_000] {
            assert_eq!(parse_memory(&format_memory(bytes)), Ok(bytes));
        }
        for text in ["", "0", "-1m", "1.5g", "g", "1t", "99999999999g"] {
            assert!(parse_memory(text).is_err(), "{text}");
        }
    }
}
