//! HTML that is made by hand: pictures, and lines of which a page has very many.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;

/// HTML that was made of escaped text, and is put on a page as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Html(pub(super) String);

impl Html {
    /// Whether there is nothing to see.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Html {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

/// A text in HTML, SVG, XML or an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    push_escaped(&mut html, text);
    html
}

/// Appends a text, escaped.
pub(super) fn push_escaped(into: &mut String, text: &str) {
    let mut rest = text;
    while let Some(place) = rest.find(['&', '<', '>', '"', '\'']) {
        let (before, from) = rest.split_at(place);
        into.push_str(before);
        let mut chars = from.chars();
        into.push_str(match chars.next() {
            Some('&') => "&amp;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            Some('"') => "&quot;",
            _ => "&#39;",
        });
        rest = chars.as_str();
    }
    into.push_str(rest);
}
