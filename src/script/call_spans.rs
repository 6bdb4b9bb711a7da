//! Where a call of `ci:job` and each of its arguments are written.
//!
//! The compiler appends the places as a hidden last argument, a string, because line numbers of Lua are only
//! exact to a statement.

use crate::model::Span;

/// The places of one call and its arguments.
///
/// As text, columns counting from 1 and the end column being exclusive:
///
/// ```text
/// spans = "\x01@" span "|" [ arg *( ";" arg ) ]
/// arg   = span [ "[" [ span *( "," span ) ] "]" ]
/// span  = line ":" column ":" end-line ":" end-column
/// ```
///
/// The brackets are there when the argument is a literal `[…]`; they hold the places of its elements. An argument
/// whose place is not known (a macro made it) has the place of the call. When the last argument of the call gives
/// several values, there are more values than places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSpans {
    /// The whole call, from bracket to bracket.
    pub call: Span,
    /// The arguments as written, without the `ci` of `(: ci :job …)`.
    pub args: Vec<ArgSpan>,
}

/// The place of one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgSpan {
    /// The whole argument.
    pub span: Span,
    /// The elements of a literal list; empty for anything else.
    pub items: Vec<Span>,
}

/// How the hidden argument begins.
const PREFIX: &str = "\u{1}@";

impl CallSpans {
    /// Whether a string is a hidden argument, and not one of the user.
    pub fn is_hidden(text: &[u8]) -> bool {
        text.starts_with(PREFIX.as_bytes())
    }

    /// Reads the hidden argument.
    pub fn parse(text: &str) -> Option<CallSpans> {
        let (call, args) = text.strip_prefix(PREFIX)?.split_once('|')?;
        let args = split(args, ';').map(parse_arg).collect::<Option<Vec<_>>>()?;
        Some(CallSpans { call: parse_span(call)?, args })
    }
}

/// The parts of a text between separators; none for an empty text.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).filter(move |_| !text.is_empty())
}

fn parse_arg(text: &str) -> Option<ArgSpan> {
    let Some((span, items)) = text.split_once('[') else {
        return Some(ArgSpan { span: parse_span(text)?, items: Vec::new() });
    };
    let items = split(items.strip_suffix(']')?, ',').map(parse_span).collect::<Option<Vec<_>>>()?;
    Some(ArgSpan { span: parse_span(span)?, items })
}

fn parse_span(text: &str) -> Option<Span> {
    let mut numbers = text.split(':').map(|part| part.parse::<u32>().ok().filter(|number| *number > 0));
    let mut next = || numbers.next().flatten();
    let span = Span { line: next()?, column: next()?, end_line: next()?, end_column: next()? };
    numbers.next().is_none().then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(line: u32, column: u32, end_line: u32, end_column: u32) -> Span {
        Span { line, column, end_line, end_column }
    }

    #[test]
    fn places_of_call_arguments_and_elements_are_read() {
        let spans =
            CallSpans::parse("\u{1}@3:1:9:14|3:9:3:14;3:15:3:30[3:16:3:20,3:21:3:29];4:3:4:5[]").unwrap();
        assert_eq!(spans.call, span(3, 1, 9, 14));
        assert_eq!(spans.args[0], ArgSpan { span: span(3, 9, 3, 14), items: vec![] });
        assert_eq!(spans.args[1].items, [span(3, 16, 3, 20), span(3, 21, 3, 29)]);
        assert_eq!(spans.args[2], ArgSpan { span: span(4, 3, 4, 5), items: vec![] });
        assert_eq!(CallSpans::parse("\u{1}@1:1:1:9|").unwrap().args, []);
    }

    #[test]
    fn other_texts_are_not_places() {
        for text in [
            "",
            "job",
            "@1:1:1:2|",
            "\u{1}@1:1:1:2",
            "\u{1}@1:1:1|",
            "\u{1}@0:1:1:2|",
            "\u{1}@1:1:1:2|1:1:1:2[",
            "\u{1}@1:1:1:2|;",
            "\u{1}@1:1:1:2|1:1:1:2:3",
            "\u{1}@1:1:1:2|-1:1:1:2",
            "\u{1}@99999999999:1:1:2|",
        ] {
            assert_eq!(CallSpans::parse(text), None, "{text:?}");
        }
        assert!(CallSpans::is_hidden(b"\x01@1") && !CallSpans::is_hidden(b"@1"));
    }
}
