//! What is counted of containers.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What is counted of containers. Clones of a metric share it.
#[derive(Debug)]
pub(crate) struct ContainerMetrics {
    /// Steps that ran in containers.
    pub(crate) runs: Counter,
    /// How long they took.
    pub(crate) run_seconds: Histogram,
    /// Images that were pulled.
    pub(crate) pulls: Counter,
    /// How long that took.
    pub(crate) pull_seconds: Histogram,
}

impl Default for ContainerMetrics {
    fn default() -> Self {
        let times = || Histogram::new([0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0]);
        Self {
            runs: Counter::default(),
            run_seconds: times(),
            pulls: Counter::default(),
            pull_seconds: times(),
        }
    }
}

impl ContainerMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let runs = "Time that steps in containers took";
        registry.register("container_step_seconds", runs, self.run_seconds.clone());
        let pulls = "Time that pulling images took";
        registry.register("container_pull_seconds", pulls, self.pull_seconds.clone());
    }

    /// Counts a step that ran in a container.
    pub(crate) fn ran(&self, took: Duration) {
        self.runs.inc();
        self.run_seconds.observe(took.as_secs_f64());
    }

    /// Counts an image that was pulled.
    pub(crate) fn pulled(&self, took: Duration) {
        self.pulls.inc();
        self.pull_seconds.observe(took.as_secs_f64());
    }
}
