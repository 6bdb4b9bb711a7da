//! One thing that was looked at, and how it is.

use crate::view::plain;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Something does not work, or is less safe than it could be.
    Warning,
    /// quire cannot do its work.
    Problem,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// How it is.
    pub(crate) level: Level,
    /// What was found.
    pub(crate) what: String,
    /// What follows from it.
    pub(crate) why: Option<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Level {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

impl Check {
    pub(super) fn ok(what: impl Into<String>) -> Self {
        Self { level: Level::Ok, what: what.into(), why: None, hint: None }
    }

    pub(super) fn warning(what: impl Into<String>, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Warning, what: what.into(), why: Some(why.into()), hint: Some(hint.into()) }
    }

    pub(super) fn problem(what: impl Into<String>, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Problem, ..Self::warning(what, why, hint) }
    }

    /// The check for people.
    pub(crate) fn lines(&self, family: &str) -> String {
        let indented = |text: &str| plain(text.trim_end()).replace('\n', "\n                    ");
        let mut out = format!("{:<8} {family:<10} {}\n", self.level.as_str(), indented(&self.what));
        for (word, text) in [("", &self.why), ("hint: ", &self.hint)] {
            if let Some(text) = text {
                out.push_str(&format!("{:20}{word}{}\n", "", indented(text)));
            }
        }
        out
    }
}

/// The levels of checks, for tables.
#[cfg(test)]
pub(super) fn levels(checks: &[Check]) -> Vec<Level> {
    checks.iter().map(|check| check.level).collect()
}
