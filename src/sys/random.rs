//! Random numbers.

use std::io;

use ring::rand::{SecureRandom, SystemRandom};

use crate::model::{InstanceId, RunId};

/// A new id for a run, of the current time.
pub(crate) fn run_id() -> RunId {
    let now = super::clock::now().as_millis();
    let mut random = [0; 10];
    // The last ten bytes of a fresh UUID are random, but for six bits that are set again.
    let fresh = uuid::Uuid::now_v7();
    for (to, from) in random.iter_mut().zip(fresh.as_bytes().iter().skip(6)) {
        *to = *from;
    }
    RunId::new(u64::try_from(now).unwrap_or_default(), random)
}

/// A new id for a data folder.
pub(crate) fn instance_id() -> InstanceId {
    // The second half of a fresh UUID is random, but for two bits.
    InstanceId::new(uuid::Uuid::now_v7().as_u64_pair().1)
}

/// Bytes that nobody can guess (getrandom(2)).
///
/// # Errors
/// When the system has none.
pub(crate) fn unguessable<const SIZE: usize>() -> io::Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(bytes)
}

/// A number from 0 up to 1, without 1.
pub(crate) fn fraction() -> f64 {
    let fresh = uuid::Uuid::now_v7();
    let bytes = fresh.as_bytes().iter().skip(12);
    let number = bytes.fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        let ids: std::collections::HashSet<RunId> = (0..1000).map(|_| run_id()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
