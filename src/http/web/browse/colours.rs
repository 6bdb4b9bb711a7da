//! The colours of a file: what is a comment, a text, a word of the language. A help for the eye that never costs much: a large
//! file, a long line, or more than a moment, and the rest has no colours.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use syntect::parsing::{ParseState, ScopeStack, ScopeStackOp, SyntaxReference, SyntaxSet};

use crate::http::web::html::push_escaped;

/// The largest file with colours, and the longest line, in bytes.
const MAX_FILE: usize = 512 << 10;
const MAX_LINE: usize = 1_000;

/// How long the colours of a file may take.
const MAX_TIME: Duration = Duration::from_millis(150);

/// The grammars: read when the first file needs them.
static GRAMMARS: LazyLock<SyntaxSet> = LazyLock::new(SyntaxSet::load_defaults_newlines);

/// Languages that have no grammar here, and those that they look like.
const SIMILAR: [(&str, &str); 9] = [
    ("fnl", "clj"),
    ("ts", "js"),
    ("tsx", "js"),
    ("jsx", "js"),
    ("mjs", "js"),
    ("kt", "java"),
    ("swift", "rs"),
    ("zig", "rs"),
    ("jsonc", "json"),
];

/// Beginnings of the names of what text can be in a grammar, and the class of each. The innermost name decides.
const CLASSES: [(&str, &str); 8] = [
    ("comment", "c"),
    ("string", "s"),
    ("constant.character.escape", "n"),
    ("constant", "n"),
    ("keyword.operator", ""),
    ("keyword", "k"),
    ("storage", "k"),
    ("entity.name", "f"),
];

/// Gives the lines of a file their colours, one after the other.
pub(super) struct Colouring {
    state: ParseState,
    scopes: ScopeStack,
    end: Instant,
    is_over: bool,
}

/// How a file is coloured; not at all when nothing is known about it.
pub(super) fn colours_of(text: &str, name: &str) -> Option<Colouring> {
    if text.len() > MAX_FILE {
        return None;
    }
    let syntax = grammar_of(text, name)?;
    Some(Colouring {
        state: ParseState::new(syntax),
        scopes: ScopeStack::new(),
        end: Instant::now() + MAX_TIME,
        is_over: false,
    })
}

fn grammar_of(text: &str, name: &str) -> Option<&'static SyntaxReference> {
    let extension = name.rsplit_once('.').map_or(name, |(_, extension)| extension);
    let extension = SIMILAR.iter().find(|(own, _)| *own == extension).map_or(extension, |(_, other)| *other);
    let known =
        GRAMMARS.find_syntax_by_extension(name).or_else(|| GRAMMARS.find_syntax_by_extension(extension));
    let first = text.lines().next().filter(|line| line.len() <= MAX_LINE);
    let known = known.or_else(|| first.and_then(|line| GRAMMARS.find_syntax_by_first_line(line)));
    known.filter(|syntax| syntax.name != "Plain Text")
}

impl Colouring {
    /// The HTML of the next line.
    pub(super) fn line(&mut self, line: &str) -> String {
        let mut html = String::with_capacity(line.len() * 2);
        // What a long line opens is not known: colours end with it.
        self.is_over |= line.len() > MAX_LINE || Instant::now() > self.end;
        let changes = match self.is_over {
            true => None,
            false => self.state.parse_line(&format!("{line}\n"), &GRAMMARS).ok(),
        };
        let Some(changes) = changes else {
            self.is_over = true;
            push_escaped(&mut html, line);
            return html;
        };
        let mut from = 0;
        for (at, change) in changes {
            self.push(&mut html, line.get(from..at.min(line.len())).unwrap_or_default());
            from = at.min(line.len());
            self.apply(&change);
        }
        self.push(&mut html, line.get(from..).unwrap_or_default());
        html
    }

    fn apply(&mut self, change: &ScopeStackOp) {
        self.is_over |= self.scopes.apply(change).is_err();
    }

    fn push(&self, html: &mut String, text: &str) {
        let class = self.class();
        if text.trim().is_empty() || class.is_empty() {
            push_escaped(html, text);
            return;
        }
        html.push_str("<i class=\"");
        html.push_str(class);
        html.push_str("\">");
        push_escaped(html, text);
        html.push_str("</i>");
    }

    fn class(&self) -> &'static str {
        let class_of = |scope: &syntect::parsing::Scope| {
            let name = scope.build_string();
            CLASSES.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, class)| *class)
        };
        self.scopes.scopes.iter().rev().find_map(class_of).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coloured(text: &str, name: &str) -> Vec<String> {
        let mut colours = colours_of(text, name).unwrap();
        // However slow this machine is.
        colours.end = Instant::now() + Duration::from_secs(60);
        text.lines().map(|line| colours.line(line)).collect()
    }

    #[test]
    fn colours_add_nothing_but_colours() {
        let lines = coloured("// <b>\nlet x = \"</i>\"; /* a\nb */ fn f() {}", "x.rs");
        assert_eq!(lines[0], "<i class=\"c\">// &lt;b&gt;</i>".replace("// ", "//</i><i class=\"c\"> "));
        for (line, text) in lines.iter().zip(["// <b>", "let x = \"</i>\"; /* a", "b */ fn f() {}"]) {
            let mut plain = line.replace("</i>", "");
            for class in ["c", "s", "n", "k", "f"] {
                plain = plain.replace(&format!("<i class=\"{class}\">"), "");
            }
            let mut expected = String::new();
            push_escaped(&mut expected, text);
            assert_eq!(plain, expected);
        }
        assert!(lines[2].contains("<i class=\"k\">fn</i>"), "{lines:?}");
    }

    #[test]
    fn what_is_large_or_unknown_has_no_colours() {
        assert!(colours_of("x", "x.unknown").is_none());
        assert!(colours_of(&"x\n".repeat(MAX_FILE), "x.rs").is_none());
        assert!(colours_of("#!/bin/sh\n", "x").is_some());
        assert!(colours_of("(fn [] nil)", "ci.fnl").is_some());
        let long = "\"".repeat(MAX_LINE + 1);
        assert_eq!(coloured(&format!("{long}\nlet"), "x.rs")[1], "let");
    }
}
