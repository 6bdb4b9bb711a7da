//! Small parts of pages that are HTML already: verdicts, times, durations. Whatever they show of others is escaped here.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use askama::filters::HtmlSafe;

use super::frame::Icon;
use crate::app::RunRow;
use crate::model::{Outcome, Timestamp, format_duration};
use crate::sys::clock;

/// A verdict: a word, a sign and a colour, each of which says all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) word: &'static str,
    pub(super) glyph: &'static str,
    /// The class of its colour: `ok`, `bad`, `run`, `off`.
    pub(super) class: &'static str,
}

impl Mark {
    pub(super) const NONE: Self = Self { word: "no CI", glyph: "–", class: "off" };

    /// The mark of an outcome.
    pub(super) fn of(outcome: Outcome) -> Self {
        let (glyph, class) = match outcome {
            Outcome::Passed => ("✓", "ok"),
            Outcome::Failed | Outcome::TimedOut | Outcome::Denied => ("✗", "bad"),
            Outcome::Interrupted => ("!", "bad"),
            Outcome::Cancelled | Outcome::Superseded => ("◌", "off"),
            Outcome::Skipped => ("–", "off"),
        };
        Self { word: outcome.as_str(), glyph, class }
    }

    /// The mark of what has the word of an outcome, or of a state.
    pub(super) fn of_word(word: &str) -> Self {
        match Outcome::parse(word) {
            Some(outcome) => Self::of(outcome),
            None if word == "running" => Self { word: "running", glyph: "●", class: "run" },
            None => Self { word: "queued", glyph: "○", class: "off" },
        }
    }

    /// The mark of a run as lists have it.
    pub(super) fn of_run(row: &RunRow) -> Self {
        Self::of_word(row.outcome.map_or_else(|| row.state.as_str(), |outcome| outcome.as_str()))
    }

    /// Whether something has failed.
    pub(super) fn is_bad(self) -> bool {
        self.class == "bad"
    }

    /// The picture of the tab of a browser.
    pub(super) fn icon(self) -> Icon {
        match self.class {
            "ok" => Icon::Passed,
            "bad" => Icon::Failed,
            "run" => Icon::Running,
            _ => Icon::Plain,
        }
    }
}

impl Display for Mark {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { word, glyph, class } = self;
        write!(f, "<span class=\"mark {class}\"><span aria-hidden=\"true\">{glyph}</span> {word}</span>")
    }
}

impl HtmlSafe for Mark {}

/// A moment, as far away as it is; the script of the page keeps it up to date.
#[derive(Debug, Clone, Copy)]
pub(super) struct When(pub(super) Timestamp);

impl When {
    /// A moment that is written as in the API.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Timestamp::parse(text).map(Self)
    }
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ago = clock::now().as_millis().saturating_sub(self.0.as_millis()) / 1000;
        let minute = self.0.to_minute(&jiff::tz::TimeZone::UTC);
        write!(f, "<time datetime=\"{}\" title=\"{minute} UTC\">{}</time>", self.0, ago_text(ago))
    }
}

impl HtmlSafe for When {}

/// A moment that is written as in the API, in milliseconds.
pub(super) fn millis(text: &str) -> Option<i64> {
    Timestamp::parse(text).map(Timestamp::as_millis)
}

/// How long ago something was: `4 min ago`.
fn ago_text(seconds: i64) -> String {
    let (count, unit) = match seconds {
        i64::MIN..5 => return "just now".to_owned(),
        5..90 => (seconds, "s"),
        90..5_400 => (seconds / 60, "min"),
        5_400..172_800 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit} ago")
}

/// A number of seconds, as everywhere in quire.
pub(super) fn took(seconds: Option<f64>) -> String {
    if seconds.is_some_and(|seconds| seconds.abs() < 0.0005) {
        return "0 s".to_owned();
    }
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.map_or_else(|| "–".to_owned(), format_duration)
}

/// A number of bytes, rounded.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut units = UNITS.into_iter();
    let (mut rest, mut unit) = (bytes as f64 / 1024.0, units.next().unwrap_or_default());
    while rest >= 1024.0
        && let Some(next) = units.next()
    {
        (rest, unit) = (rest / 1024.0, next);
    }
    if rest < 10.0 { format!("{rest:.1} {unit}") } else { format!("{rest:.0} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_a_word_and_a_sign_and_a_colour() {
        let marks: Vec<Mark> = Outcome::ALL.into_iter().map(Mark::of).collect();
        for mark in &marks {
            assert!(
                !mark.glyph.is_empty() && marks.iter().filter(|other| other.word == mark.word).count() == 1
            );
            assert_eq!(Mark::of_word(mark.word), *mark);
        }
        assert_eq!((Mark::of_word("running").word, Mark::of_word("queued").word), ("running", "queued"));
    }

    #[test]
    fn times_and_sizes_are_short() {
        for (seconds, text) in [
            (0, "just now"),
            (64, "64 s ago"),
            (300, "5 min ago"),
            (7_200, "2 h ago"),
            (864_000, "10 days ago"),
        ] {
            assert_eq!(ago_text(seconds), text);
        }
        assert_eq!(
            [size(0), size(1023), size(1536), size(48 << 10), size(3 << 30)],
            ["0 B", "1023 B", "1.5 KB", "48 KB", "3.0 GB"]
        );
    }
}
