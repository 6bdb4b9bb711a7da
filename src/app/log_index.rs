//! Places in formatted logs: how long they are, and from where on they can be formatted.
//!
//! A range of bytes is of a formatted log, and only formatting says where that is. A log of a job that has ended is
//! formatted once for this; afterwards, a range begins at the nearest place that is known.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::model::RunId;
use crate::view::{LogFollower, LogFormatter};

/// Of how many logs places are remembered.
const MAX_LOGS: usize = 32;

/// How many places of a log are remembered.
const MAX_PLACES: usize = 64;

/// How far places are from each other at least, in formatted bytes.
const MIN_DISTANCE: u64 = 4 << 20;

/// Which formatted log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    pub(crate) run: RunId,
    /// The job, the step and the attempt.
    pub(crate) output: (String, Option<u32>, Option<u32>),
    /// The format and the version of the log.
    pub(crate) tag: String,
}

/// The logs whose places are known. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LogIndexes(Arc<Mutex<VecDeque<(LogKey, SharedIndex)>>>);

/// The places of a log, as soon as somebody has found them.
type SharedIndex = Arc<OnceCell<LogIndex>>;

/// The places of a formatted log.
#[derive(Debug, Default)]
pub struct LogIndex {
    total: u64,
    distance: u64,
    places: Vec<Place>,
}

/// From where on a log can be formatted.
#[derive(Debug)]
struct Place {
    offset: u64,
    follower: LogFollower,
    formatter: LogFormatter,
}

impl LogIndexes {
    /// The places of a log; the log that was asked for longest ago is forgotten.
    pub(crate) fn of(&self, key: LogKey) -> Arc<OnceCell<LogIndex>> {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = logs.iter().position(|(known, _)| *known == key).and_then(|at| logs.remove(at));
        let (key, index) = known.unwrap_or_else(|| (key, SharedIndex::default()));
        logs.push_back((key, Arc::clone(&index)));
        if logs.len() > MAX_LOGS {
            logs.pop_front();
        }
        index
    }
}

impl LogIndex {
    /// How many bytes the formatted log has.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Adds what was formatted, and the place behind it, if that is far enough from the last one.
    pub(crate) fn add(&mut self, bytes: u64, place: impl FnOnce() -> (LogFollower, LogFormatter)) {
        self.total += bytes;
        let last = self.places.last().map_or(0, |place| place.offset);
        if self.total - last < self.distance.max(MIN_DISTANCE) {
            return;
        }
        if self.places.len() == MAX_PLACES {
            // Half of them, twice as far from each other.
            self.distance = 2 * self.distance.max(MIN_DISTANCE);
            let mut is_kept = false;
            self.places.retain(|_| {
                is_kept = !is_kept;
                !is_kept
            });
        }
        let (follower, formatter) = place();
        self.places.push(Place { offset: self.total, follower, formatter });
    }

    /// The last place that is not behind an offset; `None` for the beginning of the log.
    pub(crate) fn before(&self, offset: u64) -> Option<(u64, LogFollower, LogFormatter)> {
        let behind = self.places.partition_point(|place| place.offset <= offset);
        let place = self.places.get(behind.checked_sub(1)?)?;
        Some((place.offset, place.follower.copy(), place.formatter.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::LogFormat;

    fn add(index: &mut LogIndex, bytes: u64) {
        index.add(bytes, || (LogFollower::default(), LogFormatter::new(LogFormat::Text, false, 1)));
    }

    fn before(index: &LogIndex, offset: u64) -> u64 {
        index.before(offset).map_or(0, |(offset, ..)| offset)
    }

    #[test]
    fn places_are_near_enough_and_never_too_many() {
        let mut index = LogIndex::default();
        let mut total = 0;
        for _ in 0..10_000 {
            add(&mut index, 1 << 20);
            total += 1 << 20;
            assert!(index.places.len() <= MAX_PLACES && index.total() == total);
            assert!(index.places.is_sorted_by(|one, other| one.offset < other.offset));
        }
        let farthest =
            (0..total).step_by(1 << 20).map(|offset| offset - before(&index, offset)).max().unwrap();
        assert!(farthest <= total / 16, "{farthest} of {total}");
        assert_eq!(before(&index, 0), 0);
    }

    #[test]
    fn only_so_many_logs_are_known_and_those_in_use_stay() {
        let indexes = LogIndexes::default();
        let run = crate::sys::random::run_id();
        let key = |tag: usize| LogKey { run, output: ("t".into(), None, None), tag: tag.to_string() };
        let first = indexes.of(key(0));
        for tag in 1..100 {
            indexes.of(key(tag));
            assert!(Arc::ptr_eq(&first, &indexes.of(key(0))));
        }
        assert_eq!(indexes.0.lock().unwrap().len(), MAX_LOGS);
    }
}
