//! The colours of a file: what is a comment, a text, a word of the language. A help for the eye that never costs much: a large
//! file, a long line, or more than a moment, and the rest has no colours.
//!
//! They are made in a thread beside the one that makes the page, which takes what is there in time: the first file of a language
//! has its grammar read, which may take longer than a page waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use syntect::parsing::{ParseState, Scope, ScopeStack, ScopeStackOp, SyntaxReference, SyntaxSet};

use crate::http::web::html::push_escaped;

/// The largest file with colours, and the longest line, in bytes.
const MAX_FILE: usize = 512 << 10;
const MAX_LINE: usize = 1_000;

/// How long a page waits for the colours of a file, and how long they are made at most.
const PATIENCE: Duration = Duration::from_millis(60);
const MAX_TIME: Duration = Duration::from_millis(300);

/// How many files are coloured at the same time.
const MAX_FILES: usize = 4;

/// How many lines are handed over at once, and how many such batches may wait.
const BATCH: usize = 200;
const MAX_BATCHES: usize = 128;

/// The grammars: read when the first file needs them.
static GRAMMARS: LazyLock<SyntaxSet> = LazyLock::new(SyntaxSet::load_defaults_newlines);

/// How many files are coloured now.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

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

/// The same as scopes, which are compared as numbers.
static SCOPES: LazyLock<Vec<(Scope, &str)>> = LazyLock::new(|| {
    let scope = |(name, class): (&str, &'static str)| Scope::new(name).ok().map(|scope| (scope, class));
    CLASSES.into_iter().filter_map(scope).collect()
});

/// The first lines of a file as HTML with colours.
#[derive(Debug, Default)]
pub(super) struct Coloured {
    pub(super) lines: Vec<String>,
    /// Whether there would be more with more time.
    pub(super) is_hurried: bool,
}

/// Colours the lines of a file as far as a page waits for it; its name says how.
pub(super) fn coloured(name: &str, lines: &Arc<Vec<String>>) -> Coloured {
    let size: usize = lines.iter().map(|line| line.len() + 1).sum();
    if size > MAX_FILE || lines.is_empty() {
        return Coloured::default();
    }
    let end = Instant::now() + PATIENCE;
    let Some(place) = Place::take() else { return Coloured { is_hurried: true, ..Coloured::default() } };
    let (sender, receiver) = mpsc::sync_channel(MAX_BATCHES);
    let (name, to_colour) = (name.to_owned(), Arc::clone(lines));
    let started = thread::Builder::new().name("colours".to_owned()).spawn(move || {
        let _place = place;
        send_lines(&name, &to_colour, &sender);
    });
    let mut coloured = Coloured { lines: Vec::new(), is_hurried: started.is_err() };
    loop {
        match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(batch) => coloured.lines.extend::<Vec<String>>(batch),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                coloured.is_hurried = true;
                break;
            }
        }
    }
    coloured
}

/// Colours lines until nobody waits for them.
fn send_lines(name: &str, lines: &[String], to: &SyncSender<Vec<String>>) {
    let Some(mut colouring) = colours_of(name, lines.first().map_or("", String::as_str)) else { return };
    for batch in lines.chunks(BATCH) {
        if to.send(batch.iter().map(|line| colouring.line(line)).collect()).is_err() {
            return;
        }
    }
}

/// A place among the files that are coloured at the same time.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        if AT_WORK.fetch_add(1, Ordering::AcqRel) < MAX_FILES {
            return Some(Self);
        }
        AT_WORK.fetch_sub(1, Ordering::AcqRel);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Gives the lines of a file their colours, one after the other.
struct Colouring {
    state: ParseState,
    scopes: ScopeStack,
    end: Instant,
    is_over: bool,
}

/// How a file is coloured; not at all when nothing is known about it.
fn colours_of(name: &str, first: &str) -> Option<Colouring> {
    let syntax = grammar_of(name, first)?;
    Some(Colouring {
        state: ParseState::new(syntax),
        scopes: ScopeStack::new(),
        end: Instant::now() + MAX_TIME,
        is_over: false,
    })
}

fn grammar_of(name: &str, first: &str) -> Option<&'static SyntaxReference> {
    let extension = name.rsplit_once('.').map_or(name, |(_, extension)| extension);
    let extension = SIMILAR.iter().find(|(own, _)| *own == extension).map_or(extension, |(_, other)| *other);
    let known =
        GRAMMARS.find_syntax_by_extension(name).or_else(|| GRAMMARS.find_syntax_by_extension(extension));
    let first = Some(first).filter(|line| line.len() <= MAX_LINE);
    let known = known.or_else(|| first.and_then(|line| GRAMMARS.find_syntax_by_first_line(line)));
    known.filter(|syntax| syntax.name != "Plain Text")
}

impl Colouring {
    /// The HTML of the next line.
    fn line(&mut self, line: &str) -> String {
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
        let class_of = |scope: &Scope| {
            SCOPES.iter().find(|(beginning, _)| beginning.is_prefix_of(*scope)).map(|(_, class)| *class)
        };
        self.scopes.scopes.iter().rev().find_map(class_of).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_line(text: &str, name: &str) -> Vec<String> {
        let mut colours = colours_of(name, text.lines().next().unwrap()).unwrap();
        // However slow this machine is.
        colours.end = Instant::now() + Duration::from_secs(60);
        text.lines().map(|line| colours.line(line)).collect()
    }

    #[test]
    fn colours_add_nothing_but_colours() {
        let lines = by_line("// <b>\nlet x = \"</i>\"; /* a\nb */ fn f() {}", "x.rs");
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
        assert!(colours_of("x.unknown", "x").is_none());
        assert!(colours_of("x", "#!/bin/sh").is_some());
        assert!(colours_of("ci.fnl", "(fn [] nil)").is_some());
        let long = "\"".repeat(MAX_LINE + 1);
        assert_eq!(by_line(&format!("{long}\nlet"), "x.rs")[1], "let");
        let large = Arc::new(vec!["x".repeat(100); MAX_FILE / 100]);
        assert!(coloured("x.rs", &large).lines.is_empty());
    }

    #[test]
    fn a_page_has_the_colours_that_are_there_in_time() {
        let lines = Arc::new(vec!["let x = 1;".to_owned(); 1_000]);
        let first = coloured("x.rs", &lines);
        assert!(first.lines.len() == 1_000 || first.is_hurried, "{}", first.lines.len());
        let none = coloured("x.unknown", &lines);
        assert!(none.lines.is_empty());
        // Whatever a thread does after its page, its place is free in the end.
        let end = Instant::now() + Duration::from_secs(60);
        while AT_WORK.load(Ordering::Acquire) > 0 && Instant::now() < end {
            thread::yield_now();
        }
        let all = coloured("x.rs", &lines);
        assert!(all.lines.iter().all(|line| line.starts_with("<i class=\"k\">let</i>")));
    }
}
