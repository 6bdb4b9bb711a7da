//! The wall clock, and the processor time of threads. Durations are measured with `std::time::Instant`, which never jumps.

use std::time::Duration;

use rustix::process::Pid;
use rustix::time::{ClockId, clock_gettime};

use crate::model::Timestamp;

/// The current time.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// How much processor time the calling thread has had (clock_gettime(2): `CLOCK_THREAD_CPUTIME_ID`).
pub(crate) fn own_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// How much processor time a thread of this process has had, to a hundredth of a second (proc(5): `utime` and `stime` of
/// `task/TID/stat`); `None` when the thread is gone.
pub(crate) fn cpu_time_of(thread: Pid) -> Option<Duration> {
    let path = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
    let stat = std::fs::read_to_string(path).ok()?;
    let fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_ask_for_processor_time_agree() {
        while own_cpu_time() < Duration::from_millis(60) {
            std::hint::black_box((0..1000).sum::<u32>());
        }
        let (from, seen) = (own_cpu_time(), cpu_time_of(rustix::thread::gettid()).unwrap());
        let to = own_cpu_time();
        let slack = Duration::from_millis(40);
        assert!(seen + slack >= from && seen <= to + slack, "{from:?} {seen:?} {to:?}");
        assert_eq!(cpu_time_of(Pid::from_raw(i32::MAX).unwrap()), None);
    }
}
