//! Where a call of `ci:job` and each of its arguments are written.
//!
//! The compiler appends the places as a hidden last argument, a string, because line numbers of Lua are only
//! exact to a statement.

use crate::model::Span;
use crate::schema::Places;

/// The places of one call and its arguments.
///
/// As text, columns counting from 1 and the end column being exclusive:
///
/// ```text
/// spans = "\x01@" span "|" [ arg *( ";" arg ) ]
/// arg   = span [ "[" [ arg *( "," arg ) ] "]" / "{" [ key *( "," key ) ] "}" ]
/// key   = name "=" span "=" arg
/// span  = line ":" column ":" end-line ":" end-column
/// ```
///
/// The brackets are there when the argument is a literal `[…]`; they hold the places of its elements. The braces are
/// there when it is a literal `{…}`; they hold the places of its keys that are plain names, and of their values. An argument
/// whose place is not known (a macro made it) has the place of the call. When the last argument of the call gives
/// several values, there are more values than places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSpans {
    /// The whole call, from bracket to bracket.
    pub(crate) call: Span,
    /// The arguments as written, without the `ci` of `(: ci :job …)`.
    pub(crate) args: Vec<Places>,
}

/// How the hidden argument begins.
const PREFIX: &str = "\u{1}@";

impl CallSpans {
    /// Reads the hidden argument.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (call, args) = text.strip_prefix(PREFIX)?.split_once('|')?;
        let mut reader = Reader { rest: args };
        let args = reader.many(None, ';', |reader| reader.places(MAX_DEPTH))?;
        Some(Self { call: parse_span(call)?, args }).filter(|_| reader.rest.is_empty())
    }
}

/// Literals inside each other, at most.
const MAX_DEPTH: usize = 8;

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn places(&mut self, depth: usize) -> Option<Places> {
        let depth = depth.checked_sub(1)?;
        let mut places = Places::of(parse_span(self.until(|c| !c.is_ascii_digit() && c != ':'))?);
        if self.take('[') {
            places.items = self.many(Some(']'), ',', |reader| reader.places(depth))?;
        } else if self.take('{') {
            places.keys = self.many(Some('}'), ',', |reader| reader.key(depth))?;
        }
        Some(places)
    }

    fn key(&mut self, depth: usize) -> Option<(String, Span, Places)> {
        let name = self.until(|c| c == '=').to_owned();
        let is_next = self.take('=');
        let span = parse_span(self.until(|c| c == '='))?;
        (is_next && self.take('=')).then_some(())?;
        Some((name, span, self.places(depth)?))
    }

    /// Items with separators between them, up to the end: a character, or that of the text.
    fn many<T>(
        &mut self,
        end: Option<char>,
        separator: char,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut items = Vec::new();
        if end.is_none() && self.rest.is_empty() || end.is_some_and(|end| self.take(end)) {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if !self.take(separator) {
                return end.is_none_or(|end| self.take(end)).then_some(items);
            }
        }
    }

    fn until(&mut self, is_end: impl Fn(char) -> bool) -> &'a str {
        let (before, rest) = self.rest.split_at(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.rest = rest;
        before
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
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
        assert_eq!(spans.args[0], Places::of(span(3, 9, 3, 14)));
        let items: Vec<Span> = spans.args[1].items.iter().map(|item| item.span).collect();
        assert_eq!(items, [span(3, 16, 3, 20), span(3, 21, 3, 29)]);
        assert_eq!(spans.args[2], Places::of(span(4, 3, 4, 5)));
        let nested =
            "\u{1}@1:1:1:9|1:2:1:9{a=1:3:1:4=1:5:1:6,b-c=1:6:1:7=1:7:1:8{d=1:1:1:2=1:1:1:2[1:1:1:2]}}";
        let [table] = CallSpans::parse(nested).unwrap().args.try_into().unwrap();
        let (name, key, value) = &table.keys[1];
        assert_eq!((name.as_str(), *key, value.span), ("b-c", span(1, 6, 1, 7), span(1, 7, 1, 8)));
        assert_eq!(value.keys[0].2.items[0].span, span(1, 1, 1, 2));
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
            "\u{1}@1:1:1:2|1:1:1:2{a=1:1:1:2}",
            "\u{1}@1:1:1:2|1:1:1:2{a1:1:1:2=1:1:1:2}",
            "\u{1}@1:1:1:2|1:1:1:2]",
            "\u{1}@1:1:1:2|-1:1:1:2",
            "\u{1}@99999999999:1:1:2|",
        ] {
            assert_eq!(CallSpans::parse(text), None, "{text:?}");
        }
    }
}
