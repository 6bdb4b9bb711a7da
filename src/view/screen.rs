//! What text is printed on: a terminal has colours and a width, a file has neither.

use super::sanitize::Colours;
use crate::model::Outcome;

/// A terminal, or anything else.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Screen {
    /// Whether words are coloured by ECMA-48 sequences.
    pub(crate) has_colours: bool,
    /// The width in columns; `None` is unlimited.
    pub(crate) width: Option<usize>,
}

impl Screen {
    /// No terminal: no colours, no width.
    pub(crate) const FILE: Self = Self { has_colours: false, width: None };

    /// Whether it shows the colours of a command's output.
    pub(crate) fn colours(self) -> Colours {
        if self.has_colours { Colours::Kept } else { Colours::Dropped }
    }

    /// A word, which may be padded, in the colour of an outcome; of a state without one.
    pub(crate) fn outcome(self, word: &str, outcome: Option<Outcome>) -> String {
        self.paint(
            word,
            match outcome {
                Some(Outcome::Passed) => "32",
                Some(Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted | Outcome::Denied) => "31",
                Some(Outcome::Cancelled | Outcome::Superseded | Outcome::Skipped) => "33",
                None => "36",
            },
        )
    }

    /// A text with the words before its lines coloured as git colours them in what a remote says (`color.remote`,
    /// git-config(1)).
    pub(crate) fn keywords(self, text: &str) -> String {
        const KEYWORDS: [(&str, &str); 3] = [("error:", "1;31"), ("warning:", "1;33"), ("hint:", "33")];
        let line = |line: &str| match KEYWORDS.iter().find(|(word, _)| line.starts_with(word)) {
            Some((word, colour)) => self.paint(word, colour) + line.get(word.len()..).unwrap_or_default(),
            None => line.to_owned(),
        };
        text.split_inclusive('\n').map(line).collect()
    }

    /// A line without line feed, cut to the width.
    pub(crate) fn cut(self, line: &str) -> String {
        match self.width {
            Some(width) if line.chars().count() > width => {
                line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
            }
            _ => line.to_owned(),
        }
    }

    fn paint(self, word: &str, colour: &str) -> String {
        if self.has_colours { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_terminals_have_colours_and_a_width() {
        let text = "error: no\nhint: yes\nplain error: x\n";
        assert_eq!(Screen::FILE.keywords(text), text);
        assert_eq!(Screen::FILE.outcome("passed", Some(Outcome::Passed)), "passed");
        let terminal = Screen { has_colours: true, width: Some(4) };
        let shown = "\u{1b}[1;31merror:\u{1b}[0m no\n\u{1b}[33mhint:\u{1b}[0m yes\nplain error: x\n";
        assert_eq!(terminal.keywords(text), shown);
        assert_eq!(terminal.cut("wörter"), "wör…");
        assert_eq!(terminal.cut("wört"), "wört");
    }
}
