//! What the server counts and times, for Prometheus. Counting takes no lock that is held for long and touches no file; what
//! a scrape has to look up is set by it ([`Metrics::render`]). Labels have few values: none is a name that people choose.

mod containers;
mod text;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::model::Outcome;
pub(crate) use containers::ContainerMetrics;
pub(crate) use text::{TEXT_FORMAT, encode};

type Label = [(&'static str, &'static str); 1];
type Counters = Family<Label, Counter>;
type Gauges = Family<Label, Gauge>;

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushResult {
    /// Refs moved.
    Accepted,
    /// The server refused it.
    Refused,
}

impl PushResult {
    const ALL: [Self; 2] = [Self::Accepted, Self::Refused];

    fn label(self) -> Label {
        [("result", if self == Self::Accepted { "accepted" } else { "refused" })]
    }
}

/// A hook of git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Before refs move: until the push is on disk.
    PreReceive,
    /// After they moved: until its last line.
    PostReceive,
}

/// Times of what takes less than seconds.
#[derive(Debug, Clone)]
pub(crate) struct ShortTimes(Histogram);

/// Times of what takes up to hours.
#[derive(Debug, Clone)]
pub(crate) struct LongTimes(Histogram);

impl Default for ShortTimes {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(0.0005, 2.0, 16)))
    }
}

impl Default for LongTimes {
    fn default() -> Self {
        let seconds = [0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];
        Self(Histogram::new(seconds))
    }
}

impl ShortTimes {
    /// Counts one.
    pub(crate) fn observe(&self, time: Duration) {
        self.0.observe(time.as_secs_f64());
    }
}

impl LongTimes {
    /// Counts one.
    pub(crate) fn observe(&self, time: Duration) {
        self.0.observe(time.as_secs_f64());
    }
}

/// What the server counts and times.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    runs: Counters,
    /// How long runs were queued.
    pub(crate) queue_wait: LongTimes,
    /// How long steps took.
    pub(crate) steps: LongTimes,
    pushes: Counters,
    /// From the report of a push until its updates are recorded.
    pub(crate) push: ShortTimes,
    pre_receive: ShortTimes,
    post_receive: LongTimes,
    denials: Counter,
    journal_bytes: Counter,
    event_readers: Gauge,
    /// What is counted of containers.
    pub(crate) containers: ContainerMetrics,
    looked_up: LookedUpGauges,
}

#[derive(Debug, Default)]
struct LookedUpGauges {
    runs: Gauges,
    notifications: Gauges,
    disk_free: Gauge,
    ready: Gauge,
}

/// What a scrape looks up. What could not be looked up stays as it was.
#[derive(Debug, Default)]
pub(crate) struct LookedUp {
    /// Whether the server can take work.
    pub(crate) is_ready: bool,
    /// Free bytes of the disk with the data folder.
    pub(crate) disk_free: Option<u64>,
    /// Unfinished runs by state.
    pub(crate) runs: Option<Vec<(&'static str, u64)>>,
    /// Messages in the outbox by state.
    pub(crate) notifications: Option<Vec<(&'static str, u64)>>,
}

/// A reader of events, counted as long as it is held.
#[derive(Debug)]
pub(crate) struct EventReader(Gauge);

impl Drop for EventReader {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Times something by how long it is held.
#[derive(Debug)]
pub(crate) struct HookTimer {
    metrics: Arc<Metrics>,
    hook: Hook,
    begun: std::time::Instant,
}

impl Drop for HookTimer {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        match self.hook {
            Hook::PreReceive => self.metrics.pre_receive.observe(took),
            Hook::PostReceive => self.metrics.post_receive.observe(took),
        }
    }
}

impl Metrics {
    /// Metrics at zero; `commits` are the times of the database's commits.
    pub(crate) fn new(commits: &ShortTimes) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("quire"),
            runs: Family::default(),
            queue_wait: LongTimes::default(),
            steps: LongTimes::default(),
            pushes: Family::default(),
            push: ShortTimes::default(),
            pre_receive: ShortTimes::default(),
            post_receive: LongTimes::default(),
            denials: Counter::default(),
            journal_bytes: Counter::default(),
            event_readers: Gauge::default(),
            containers: ContainerMetrics::default(),
            looked_up: LookedUpGauges::default(),
        };
        for outcome in Outcome::ALL {
            drop(metrics.runs.get_or_create(&[("outcome", outcome.as_str())]));
        }
        for result in PushResult::ALL {
            drop(metrics.pushes.get_or_create(&result.label()));
        }
        metrics.register(commits);
        metrics
    }

    fn register(&mut self, commits: &ShortTimes) {
        let registry = &mut self.registry;
        registry.register("runs", "Runs that ended", self.runs.clone());
        registry.register("run_queue_wait_seconds", "Time that runs were queued", self.queue_wait.0.clone());
        registry.register("step_seconds", "Time that steps took", self.steps.0.clone());
        registry.register("pushes", "Pushes, of watched repositories too", self.pushes.clone());
        registry.register(
            "push_seconds",
            "Time from the report of a push until its updates are recorded",
            self.push.0.clone(),
        );
        registry.register(
            "hook_pre_receive_seconds",
            "Time from the announcement of a push until it is on disk",
            self.pre_receive.0.clone(),
        );
        registry.register(
            "hook_post_receive_seconds",
            "Time from the report of a push until its last line",
            self.post_receive.0.clone(),
        );
        registry.register("database_commit_seconds", "Time that SQLite took to commit", commits.0.clone());
        registry.register("policy_denials", "Denials of the policy", self.denials.clone());
        registry.register("journal_bytes", "Bytes read from journals of runs", self.journal_bytes.clone());
        registry.register("event_readers", "Readers of events", self.event_readers.clone());
        self.containers.register(registry);
        let looked_up = &self.looked_up;
        registry.register("unfinished_runs", "Runs that are queued or running", looked_up.runs.clone());
        registry.register("notifications", "Messages in the outbox", looked_up.notifications.clone());
        registry.register(
            "disk_free_bytes",
            "Free bytes of the disk with the data folder",
            looked_up.disk_free.clone(),
        );
        registry.register("ready", "Whether the server can take work", looked_up.ready.clone());
        let build = Gauges::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build_info", "The version of quire", build);
    }

    /// Counts a run that has ended.
    pub(crate) fn run_ended(&self, outcome: Outcome) {
        self.runs.get_or_create(&[("outcome", outcome.as_str())]).inc();
    }

    /// Counts pushes.
    pub(crate) fn pushed(&self, result: PushResult, count: usize) {
        self.pushes.get_or_create(&result.label()).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Counts a denial of the policy.
    pub(crate) fn denied(&self) {
        self.denials.inc();
    }

    /// Counts what was read of journals.
    pub(crate) fn journal_read(&self, bytes: u64) {
        self.journal_bytes.inc_by(bytes);
    }

    /// Counts a reader of events, as long as it is held.
    pub(crate) fn event_reader(&self) -> EventReader {
        self.event_readers.inc();
        EventReader(self.event_readers.clone())
    }

    /// Times a hook, as long as it is held.
    pub(crate) fn time_hook(self: &Arc<Self>, hook: Hook) -> HookTimer {
        HookTimer { metrics: Arc::clone(self), hook, begun: std::time::Instant::now() }
    }

    /// All metrics in the text format of Prometheus.
    pub(crate) fn render(&self, now: &LookedUp) -> String {
        let gauges = &self.looked_up;
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        let set_all = |gauges: &Gauges, label, values: &Option<Vec<(&'static str, u64)>>| {
            for (word, count) in values.iter().flatten() {
                set(&gauges.get_or_create(&[(label, *word)]), *count);
            }
        };
        set(&gauges.ready, u64::from(now.is_ready));
        if let Some(free) = now.disk_free {
            set(&gauges.disk_free, free);
        }
        set_all(&gauges.runs, "state", &now.runs);
        set_all(&gauges.notifications, "state", &now.notifications);
        encode(&self.registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_there_at_zero_and_counts() {
        let metrics = Arc::new(Metrics::new(&ShortTimes::default()));
        let text = metrics.render(&LookedUp::default());
        for line in [
            "quire_runs_total{outcome=\"timed-out\"} 0",
            "quire_pushes_total{result=\"refused\"} 0",
            "quire_policy_denials_total 0",
            "quire_step_seconds_count 0",
            "quire_ready 0",
            "# TYPE quire_runs_total counter",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        metrics.run_ended(Outcome::Passed);
        metrics.steps.observe(Duration::from_secs(2));
        drop(metrics.time_hook(Hook::PreReceive));
        let reader = metrics.event_reader();
        let now = LookedUp {
            is_ready: true,
            disk_free: Some(7),
            runs: Some(vec![("queued", 2)]),
            notifications: None,
        };
        let text = metrics.render(&now);
        for line in [
            "quire_runs_total{outcome=\"passed\"} 1",
            "quire_step_seconds_bucket{le=\"5.0\"} 1",
            "quire_hook_pre_receive_seconds_count 1",
            "quire_event_readers 1",
            "quire_disk_free_bytes 7",
            "quire_unfinished_runs{state=\"queued\"} 2",
            "quire_ready 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        drop(reader);
        assert!(metrics.render(&now).contains("quire_event_readers 0\n"));
    }
}
