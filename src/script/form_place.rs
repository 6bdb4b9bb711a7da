//! The smallest form of a line that an error can be about. Lua knows the line of an error; its text often names the rest.

use super::unclosed::{Code, code};
use crate::model::Span;

/// A list on the line, with its head, and how it begins.
struct Form<'a> {
    span: Span,
    head: Word<'a>,
    second: Option<Word<'a>>,
}

/// A name, a number or a keyword.
#[derive(Clone, Copy)]
struct Word<'a> {
    span: Span,
    text: &'a str,
}

/// The place of what an error on a line is about: a form of the line, when only one can be meant, otherwise all of the line.
pub(crate) fn place_on_line(text: &str, line: u32, message: &str) -> Span {
    let (forms, words) = forms_on(text, line);
    let mut meant = candidates(&forms, &words, message);
    meant.dedup();
    match meant.as_slice() {
        [one] => *one,
        _ => Span::of_line(text, line),
    }
}

/// The forms that a message can be about.
fn candidates(forms: &[Form<'_>], words: &[Word<'_>], message: &str) -> Vec<Span> {
    let of_forms = |is_meant: &dyn Fn(&Form<'_>) -> bool| -> Vec<Span> {
        forms.iter().filter(|form| is_meant(form)).map(|form| form.span).collect()
    };
    let of_words = |is_meant: &dyn Fn(&Word<'_>) -> bool| -> Vec<Span> {
        words.iter().filter(|word| is_meant(word)).map(|word| word.span).collect()
    };
    let named = variable(message);
    if message.contains("attempt to call a") {
        let heads = forms.iter().filter(|form| named.is_some_and(|name| name.ends(form.head.text)));
        return heads.map(|form| form.head.span).collect();
    }
    if message.contains("attempt to index a") {
        let Some(name) = named else {
            let reads = of_forms(&|form| matches!(form.head.text, "." | "?."));
            return if reads.is_empty() { of_words(&|word| word.text.contains('.')) } else { reads };
        };
        let mut meant = of_words(&|word| name.is_indexed_in(word.text));
        let is_read = |form: &Form<'_>| {
            matches!(form.head.text, "." | "?.") && form.second.is_some_and(|second| name.ends(second.text))
        };
        meant.extend(of_forms(&is_read));
        return meant;
    }
    if let Some(member) =
        message.strip_prefix("`quire.ci` has no member `").and_then(|rest| rest.split('`').next())
    {
        return of_words(&|word| word.text.rsplit(['.', ':']).next() == Some(member));
    }
    let function = message.split_once("bad argument #").and_then(|(_, rest)| rest.split('\'').nth(1));
    if let Some(name) = function.filter(|name| *name != "for iterator") {
        let is_meant = |word: &str| word.rsplit(['.', ':']).next() == Some(name);
        return forms.iter().filter(|form| is_meant(form.head.text)).map(|form| form.span).collect();
    }
    if let Some((_, operators)) = OPERATORS.iter().find(|(part, _)| message.contains(part)) {
        return of_forms(&|form| operators.contains(&form.head.text));
    }
    of_forms(&|form| matches!(form.head.text, "error" | "assert"))
}

/// Parts of messages of Lua, and the forms that they are about.
const OPERATORS: [(&str, &[&str]); 5] = [
    ("arithmetic on a", &["+", "-", "*", "/", "//", "%", "^"]),
    ("attempt to concatenate a", &[".."]),
    ("attempt to compare ", &["<", ">", "<=", ">="]),
    ("attempt to get length of a", &["length"]),
    ("'for iterator'", &["each", "collect", "icollect", "accumulate", "for"]),
];

/// What Lua calls a variable in its messages: `(local 'x')`, `(field 'y')`.
#[derive(Clone, Copy)]
struct Variable<'a> {
    name: &'a str,
    /// Whether it is in a table, so that something stands before it.
    is_field: bool,
}

/// The variable that a message names.
fn variable(message: &str) -> Option<Variable<'_>> {
    let (before, rest) = message.rsplit_once(" '")?;
    let name = rest.strip_suffix("')")?;
    let kind = before.rsplit('(').next()?;
    Some(Variable { name, is_field: matches!(kind, "field" | "method") })
}

impl Variable<'_> {
    /// Whether a word ends with the variable. Lua has no `-` in names.
    fn ends(self, word: &str) -> bool {
        let word = word.strip_prefix(':').unwrap_or(word);
        let (table, last) =
            word.rsplit_once(['.', ':']).map_or((None, word), |(table, last)| (Some(table), last));
        self.is(last) && table.is_some() == self.is_field
    }

    /// Whether something of the variable is asked for in a word: `x.y`.
    fn is_indexed_in(self, word: &str) -> bool {
        let mut parts = word.split(['.', ':']).collect::<Vec<_>>();
        let has_more = parts.pop().is_some() && !parts.is_empty();
        let place = parts.iter().position(|part| self.is(part));
        has_more && place.is_some_and(|place| (place > 0) == self.is_field)
    }

    fn is(self, part: &str) -> bool {
        part == self.name || part.replace('-', "_") == self.name
    }
}

/// The lists and words that begin on a line.
fn forms_on(text: &str, line: u32) -> (Vec<Form<'_>>, Vec<Word<'_>>) {
    let (mut forms, mut words) = (Vec::new(), Vec::new());
    // The open brackets, each with the words that are directly in it.
    let mut open: Vec<(Code, Vec<Word<'_>>)> = Vec::new();
    let mut word: Option<Span> = None;
    for here in code(text) {
        let continues = word.is_some_and(|word| (word.line, word.end_column) == (here.line, here.column));
        let is_word = !here.byte.is_ascii_whitespace() && !b"()[]{}".contains(&here.byte);
        if let (true, true, Some(span)) = (continues, is_word, &mut word) {
            span.end_column += 1;
            continue;
        }
        if let Some(word) = word.take().and_then(|span| Word::at(text, span)) {
            words.extend((word.span.line == line).then_some(word));
            open.last_mut().into_iter().for_each(|(_, inner)| inner.push(word));
        }
        word = is_word.then(|| Span::point(here.line, here.column));
        match here.byte {
            b'(' | b'[' | b'{' => open.push((here, Vec::new())),
            b')' | b']' | b'}' => {
                let Some((first, inner)) = open.pop() else { continue };
                if let (b'(', true, Some(head)) = (first.byte, first.line == line, inner.first()) {
                    let (end_line, end_column) = (here.line, here.column + 1);
                    let span = Span { line, column: first.column, end_line, end_column };
                    forms.push(Form { span, head: *head, second: inner.get(1).copied() });
                }
            }
            _ => {}
        }
    }
    (forms, words)
}

impl<'a> Word<'a> {
    fn at(text: &'a str, span: Span) -> Option<Self> {
        let line = text.lines().nth((span.line as usize).checked_sub(1)?)?;
        let text =
            line.get((span.column as usize).checked_sub(1)?..(span.end_column as usize).checked_sub(1)?)?;
        Some(Self { span, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_marked_at_the_form_that_it_is_about() {
        for (line, message, marked) in [
            ("(local x nil) (print x.y)", "attempt to index a nil value (local 'x')", "x.y"),
            ("(print my-x.y)", "attempt to index a nil value (local 'my_x')", "my-x.y"),
            ("(print (. x :y) 1)", "attempt to index a nil value (local 'x')", "(. x :y)"),
            ("(print a.b.c a.d)", "attempt to index a nil value (field 'b')", "a.b.c"),
            ("(f (g 1))", "attempt to call a nil value (global 'g')", "g"),
            ("(f (x.go 1))", "attempt to call a nil value (field 'go')", "x.go"),
            ("(f (x:go 1))", "attempt to call a nil value (method 'go')", "x:go"),
            ("(local n (+ 1 {}))", "attempt to perform arithmetic on a table value", "(+ 1 {})"),
            ("(when (< a b) 1)", "attempt to compare nil with number", "(< a b)"),
            ("(job (fn [] (error \"mine (x)\")))", "mine (x)", "(error \"mine (x)\")"),
            ("(ci:jobs :a)", "`quire.ci` has no member `jobs`", "ci:jobs"),
            ("(print (string.rep))", "bad argument #1 to 'rep' (string expected)", "(string.rep)"),
            // Two can be meant: all of the line.
            ("(+ 1 (+ 2 {}))", "attempt to perform arithmetic on a table value", "(+ 1 (+ 2 {}))"),
            ("(f x)", "something else", "(f x)"),
        ] {
            let text = format!("; (error)\n{line}\n(error 1)");
            let span = place_on_line(&text, 2, message);
            assert_eq!(
                line.get(span.column as usize - 1..span.end_column as usize - 1),
                Some(marked),
                "{line}"
            );
        }
    }
}
