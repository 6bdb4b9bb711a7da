//! The mark of a run's processes, containers and folders, which names the data folder too.

use std::fmt;

use super::Quoted;
use super::hex::is_hex;
use super::run_id::RunId;

/// The id of a data folder that no copy of the folder shares: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InstanceId(u64);

/// Why a text is not the id of a data folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the id of a data folder: expected 16 hexadecimal digits in lower case")]
pub struct InstanceIdError(Quoted);

impl InstanceId {
    /// The id made of random bits.
    pub fn new(random: u64) -> Self {
        Self(random)
    }

    /// Reads what is displayed.
    ///
    /// # Errors
    /// Says what an id looks like.
    pub(crate) fn parse(text: &str) -> Result<Self, InstanceIdError> {
        let id = u64::from_str_radix(text, 16).ok().filter(|_| is_hex(text.as_bytes(), 16));
        id.map(InstanceId).ok_or_else(|| InstanceIdError(Quoted::new(text)))
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A run of one data folder. The same run in a copy of the folder has another mark: nothing that is found by a mark
/// can belong to another data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunMark {
    /// The data folder.
    pub instance: InstanceId,
    /// The run.
    pub run: RunId,
}

impl fmt::Display for RunMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance, self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_sixteen_digits() {
        for id in [0, 7, u64::MAX].map(InstanceId::new) {
            assert_eq!(InstanceId::parse(&id.to_string()), Ok(id));
        }
        for text in ["", "7", "0000000000000007 ", "000000000000000G", "000000000000000A", "+00000000000000f"]
        {
            assert!(InstanceId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_same_run_of_a_copy_has_another_mark() {
        let run = RunId::new(1_795_000_000_000, [7; 10]);
        let mark = |instance| RunMark { instance: InstanceId::new(instance), run };
        assert_eq!(mark(7).to_string(), format!("0000000000000007-{run}"));
        assert_ne!(mark(7).to_string(), mark(8).to_string());
    }
}
