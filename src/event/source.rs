//! Event sources: what root jobs of a pipeline need.

/// An event source. The event of a run fires some of them, and the run has the root jobs that need one of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// `:quire/push`: a ref was pushed, here or in a watched remote.
    Push,
    /// `:quire/manual`: a person or a program asked.
    Manual,
    /// A schedule, as the pipeline writes it.
    Cron {
        /// The schedule.
        schedule: String,
    },
}

impl Source {
    /// The name of [`Source::Push`].
    pub(crate) const PUSH: &'static str = "quire/push";

    /// The name of [`Source::Manual`].
    pub(crate) const MANUAL: &'static str = "quire/manual";

    /// The sources that a job can name as an input.
    pub(crate) const NAMED: [Self; 2] = [Self::Push, Self::Manual];

    /// The name by which a job finds it among its inputs.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Push => Self::PUSH,
            Self::Manual => Self::MANUAL,
            Self::Cron { .. } => "quire/cron",
        }
    }
}
