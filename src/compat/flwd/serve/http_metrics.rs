//! What this interface counts, under that program's names. Routes are those of the router: no path that somebody thinks of
//! becomes a label.

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::flags::ServeFlags;
use crate::metrics::{Metrics, encode};
use crate::policy::{DENIED, REGISTRY_NOT_ALLOWED, SIGNATURE_REQUIRED};

/// The version of the interface.
pub(super) const SPEC_VERSION: &str = "1.2.0";

const PERSISTENCE_MILLIS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

const REQUEST_SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What that program evicts.
const EVICTED: [&str; 2] = ["idempotency", "journal"];

/// The denials that are shown before there is one.
const DENIALS: [&str; 3] = [DENIED, REGISTRY_NOT_ALLOWED, SIGNATURE_REQUIRED];

type Request = [(&'static str, String); 3];
/// The operation, and its outcome.
type Persisted = [(&'static str, &'static str); 2];
type ByWord = [(&'static str, String); 1];

/// What is counted.
#[derive(Debug)]
pub(super) struct HttpMetrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Family<Request, Histogram, fn() -> Histogram>,
    denials: Family<ByWord, Counter>,
    sources: Family<ByWord, Counter>,
    invalid_manifests: Counter,
    streams: Family<ByWord, Gauge>,
    resumed: Counter,
    expired: Counter,
    persistence: Family<Persisted, Histogram, fn() -> Histogram>,
}

/// An open stream, counted as long as it is held.
#[derive(Debug)]
pub(super) struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl HttpMetrics {
    /// Metrics at zero.
    pub(super) fn new(flags: &ServeFlags, quire: &Metrics) -> Self {
        let durations: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            denials: Family::default(),
            sources: Family::default(),
            invalid_manifests: Counter::default(),
            streams: Family::default(),
            resumed: Counter::default(),
            expired: Counter::default(),
            persistence: Family::new_with_constructor(|| Histogram::new(PERSISTENCE_MILLIS)),
        };
        metrics.register();
        for code in DENIALS {
            drop(metrics.denials.get_or_create(&[("reason", code.to_owned())]));
        }
        let (registry, containers) = (&mut metrics.registry, &quire.containers);
        registry.register("flwd_container_runs", "Steps in containers", containers.runs.clone());
        registry.register(
            "flwd_container_run_seconds",
            "Time that they took",
            containers.run_seconds.clone(),
        );
        registry.register("flwd_container_pulls", "Images that were pulled", containers.pulls.clone());
        registry.register(
            "flwd_container_pull_seconds",
            "Time that it took",
            containers.pull_seconds.clone(),
        );
        let build = Family::<[(&'static str, String); 2], Gauge>::default();
        build
            .get_or_create(&[("spec_version", SPEC_VERSION.to_owned()), ("version", flags.version.clone())])
            .set(1);
        metrics.registry.register("flwd_build_info", "The version that is reported", build);
        let profiles = Family::<ByWord, Gauge>::default();
        profiles.get_or_create(&[("profile", flags.profile().as_str().to_owned())]).set(1);
        metrics.registry.register("flwd_security_profile", "The profile of runs that ask for none", profiles);
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests", self.requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time until the answer began",
            self.durations.clone(),
        );
        registry.register(
            "flwd_policy_denials",
            "Runs that the policy denied, by code",
            self.denials.clone(),
        );
        registry.register("flwd_sources_added", "Sources that were added", self.sources.clone());
        registry.register(
            "flwd_addon_manifest_invalid",
            "Add-ons with an invalid manifest",
            self.invalid_manifests.clone(),
        );
        registry.register("flowd_sse_active_streams", "Open event streams", self.streams.clone());
        registry.register("flowd_sse_resume", "Event streams that were resumed", self.resumed.clone());
        registry.register(
            "flowd_sse_cursor_expired",
            "Event streams that could not be",
            self.expired.clone(),
        );
        registry.register(
            "flowd_persistence_latency_ms",
            "Time that reading and writing of keys and journals took",
            self.persistence.clone(),
        );
        // Nothing is evicted here: they stay at zero.
        let (rows, bytes) = (Family::<ByWord, Counter>::default(), Family::<ByWord, Counter>::default());
        for kind in EVICTED {
            drop((
                rows.get_or_create(&[("kind", kind.to_owned())]),
                bytes.get_or_create(&[("kind", kind.to_owned())]),
            ));
        }
        registry.register("flowd_persistence_evictions", "Rows that were evicted", rows);
        registry.register("flowd_persistence_eviction_bytes", "Bytes that were evicted", bytes);
    }

    /// Counts a request.
    pub(super) fn answered(&self, method: &str, route: &'static str, status: u16, took: Duration) {
        let labels =
            [("code", status.to_string()), ("method", method.to_owned()), ("route", route.to_owned())];
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Measures an operation on what is kept.
    pub(super) async fn persisted<T, E>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let done = work.await;
        let outcome = if done.is_ok() { "ok" } else { "error" };
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        self.persistence.get_or_create(&[("operation", operation), ("outcome", outcome)]).observe(took);
        done
    }

    /// Counts a denial.
    pub(super) fn denied(&self, code: &str) {
        self.denials.get_or_create(&[("reason", code.to_owned())]).inc();
    }

    /// Counts a source that was added.
    pub(super) fn source_added(&self, kind: &str) {
        self.sources.get_or_create(&[("type", kind.to_owned())]).inc();
    }

    /// Counts an add-on whose manifest is invalid.
    pub(super) fn manifest_invalid(&self) {
        self.invalid_manifests.inc();
    }

    /// Counts a stream as long as it is held.
    pub(super) fn open_stream(&self) -> OpenStream {
        let gauge = self.streams.get_or_create(&[("transport", "sse".to_owned())]).clone();
        gauge.inc();
        OpenStream(gauge)
    }

    /// Counts a stream that continues an earlier one.
    pub(super) fn resumed(&self) {
        self.resumed.inc();
    }

    /// Counts a stream that could not.
    pub(super) fn cursor_expired(&self) {
        self.expired.inc();
    }

    /// All metrics in the text format of Prometheus.
    pub(super) fn render(&self) -> String {
        encode(&self.registry)
    }
}
