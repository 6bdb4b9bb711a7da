//! Numbers of processors, as people and bundles write them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Quoted;

/// The most processors that can be asked for.
pub const MAX_CPUS: u32 = 1024;

/// Processors, in thousandths; never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Cpus(u32);

/// Why a text is not a number of processors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a number of processors: write it as `500m`, `1.5` or `2`")]
pub struct CpusError(Quoted);

impl Cpus {
    /// Reads `500m`, `1.5` or `2`.
    ///
    /// # Errors
    /// Says how it is written.
    pub(crate) fn parse(text: &str) -> Result<Self, CpusError> {
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
        milli.and_then(Self::from_milli).ok_or_else(|| CpusError(Quoted::new(text)))
    }

    /// This many thousandths of a processor, when that is more than none and not too many.
    pub(crate) fn from_milli(milli: u32) -> Option<Self> {
        (milli > 0 && milli <= MAX_CPUS * 1000).then_some(Self(milli))
    }

    /// The thousandths.
    pub(crate) fn milli(self) -> u32 {
        self.0
    }
}

impl From<Cpus> for u32 {
    fn from(cpus: Cpus) -> Self {
        cpus.0
    }
}

impl TryFrom<u32> for Cpus {
    type Error = CpusError;

    fn try_from(milli: u32) -> Result<Self, CpusError> {
        Self::from_milli(milli).ok_or_else(|| CpusError(Quoted::new(&format!("{milli}m"))))
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
}
