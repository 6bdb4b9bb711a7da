//! The lines of a file as HTML: one element a line, with its number as a link and an id.

use std::fmt::Write as _;
use std::sync::Arc;

use super::colours::{Coloured, coloured};
use crate::http::web::html::{Html, escaped};
use crate::view::file_line;

/// The most lines of a file on a page.
pub(super) const MAX_LINES: usize = 20_000;

/// The longest line on a page, in bytes.
const MAX_LINE: usize = 10_000;

/// The lines of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct CodeLines {
    /// The HTML of each line, without a line feed.
    pub(super) lines: Vec<String>,
    /// How many lines the file has.
    pub(super) total: usize,
    /// Whether a line is longer than what is shown of it.
    pub(super) has_cut_lines: bool,
    /// Whether another time there may be more colours.
    pub(super) is_hurried: bool,
}

impl CodeLines {
    /// The lines of a text file; its name says how it is coloured.
    pub(super) fn of(content: &[u8], name: &str) -> Self {
        let text = String::from_utf8_lossy(content);
        let (mut code, mut shown) = (Self::default(), Vec::new());
        for line in text.split_inclusive('\n') {
            code.total += 1;
            if shown.len() < MAX_LINES {
                shown.push(code.shown(line.trim_end_matches(['\n', '\r'])));
            }
        }
        let shown = Arc::new(shown);
        let Coloured { lines, is_hurried } = coloured(name, &shown);
        let plain = shown.iter().skip(lines.len()).map(|line| escaped(line));
        code.lines = lines.into_iter().chain(plain).collect();
        code.is_hurried = is_hurried;
        code
    }

    /// A line as far as it is shown.
    fn shown(&mut self, line: &str) -> String {
        let end = (0..=MAX_LINE.min(line.len())).rev().find(|end| line.is_char_boundary(*end));
        let shown = line.get(..end.unwrap_or_default()).unwrap_or_default();
        self.has_cut_lines |= shown.len() < line.len();
        file_line(shown)
    }

    /// All lines, each with its number.
    pub(super) fn numbered(&self) -> Html {
        let mut html = String::from("<pre class=\"code\" tabindex=\"0\">");
        for (index, line) in self.lines.iter().enumerate() {
            let number = index + 1;
            let _infallible =
                write!(html, "<span id=\"L{number}\"><a href=\"#L{number}\">{number}</a>{line}\n</span>");
        }
        html.push_str("</pre>");
        Html(html)
    }
}
