//! The kinds of events, as `:events` of a secret and the database name them.

/// A kind of event. A rerun keeps that of the run that it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// A ref of a hosted repository was pushed.
    Push,
    /// A branch of a watched remote moved.
    Watch,
    /// A person or a program asked.
    Manual,
    /// A schedule was due.
    Cron,
}

impl Trigger {
    /// All kinds.
    pub(crate) const ALL: [Self; 4] = [Self::Push, Self::Watch, Self::Manual, Self::Cron];

    /// The word for it, in `config.fnl` and in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Watch => "watch",
            Self::Manual => "manual",
            Self::Cron => "cron",
        }
    }

    /// The word for it in JSON and on screens: what a watched remote did is shown as a push.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Push | Self::Watch => Self::Push.as_str(),
            Self::Manual | Self::Cron => self.as_str(),
        }
    }

    /// The kind with this word, if there is one.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == word)
    }
}
