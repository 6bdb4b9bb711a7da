//! What quire says instead of messages of Fennel's compiler, which are about its own terms.

use crate::model::Span;

/// How a message of the compiler begins, what is said instead, and the hint. `{}` is the rest of the message, `{here}` the text
/// that is marked, `{form}` the word at the head of its form.
type Words = (&'static str, &'static str, &'static str);

static WORDS: &[Words] = &[
    (
        "expected parameters",
        "the parameters of a function are in `[…]`",
        "write `(fn [x] …)`; the function of a job is `(fn [{: sh}] …)`",
    ),
    (
        "expected binding sequence",
        "the names and values of `{form}` are in `[…]`",
        "write `({form} [name value] …)`",
    ),
    ("expected binding table", "what `{form}` binds is in `[…]`", LOOPS),
    ("expected iterator binding table", "what `{form}` binds is in `[…]`", LOOPS),
    ("expected initial value and iterator binding table", "what `{form}` binds is in `[…]`", LOOPS),
    ("expected binding and iterator", "`{form}` has nothing to walk", LOOPS),
    ("expected range to include start and stop", "`for` has no end", "write `(for [i 1 3] …)`"),
    ("unexpected arguments", "`for` takes a name, a start, an end and a step", "write `(for [i 1 10 2] …)`"),
    (
        "unexpected iterator clause: ",
        "`{form}` has no clause `&{}`",
        "`&until condition` ends it, `&into list` adds to a list",
    ),
    (
        "expected even number of name/value bindings",
        "a name has no value",
        "write `(let [name value other value] …)`",
    ),
    (
        "expected body expression",
        "`{here}` has no body",
        "what it does comes after its `[…]`: `({here} […] (sh \"make\"))`",
    ),
    ("expected condition and body", "`{form}` has no body", "write `({form} condition …)`"),
    ("expected body", "`{form}` has no body", "write `({form} condition …)`"),
    ("expected name and value", "`{form}` takes a name and a value", "write `({form} name value)`"),
    (
        "can't introduce ",
        "`{form}` is the argument of another form",
        "bind names of a form with `(let [name value] …)`",
    ),
    (
        "tried to reference a special form without calling it",
        "`{here}` is a form, not a value",
        "it comes first in its brackets: `({here} …)`",
    ),
    (
        "tried to reference a macro without calling it",
        "`{here}` is a macro, not a value",
        "it comes first in its brackets: `({here} …)`",
    ),
    (
        "expected a function, macro, or special to call",
        "`()` calls nothing",
        "an empty list is `[]`, no value is `nil`",
    ),
    ("cannot call literal value ", "`{}` is no function", "a list is `[a b]`; `(f x)` calls `f`"),
    (
        "unexpected multi symbol ",
        "`{}` cannot be bound",
        "a name to bind has no `.` and no `:`; `(tset table :key value)` changes a table",
    ),
    (
        "malformed multisym: ",
        "`{}` is not a name",
        "`.` and `:` are between two names: `push.branch`, `(text:lower)`",
    ),
    (
        "method must be last component of multisym: ",
        "`{}` calls a method in its middle",
        "a method comes last: `(push.branch:upper)`",
    ),
    (
        "multisym method calls may only be in call position",
        "`{here}` is a call without brackets",
        "write `({here})`; a field is `table.field`",
    ),
    (
        "expected var ",
        "`{}` cannot be changed",
        "bind it with `(var {} …)`: `local` and `let` bind names that stay",
    ),
    (
        "expected symbol for function parameter: ",
        "`{}` is not a parameter",
        "a parameter is a name, or a table such as `{: sh}`",
    ),
    ("expected vararg as last parameter", "`...` is not the last parameter", "write `(fn [x ...] …)`"),
    (
        "expected rest argument before last parameter",
        "`&` is not before the last name",
        "write `[first & rest]`",
    ),
    ("unexpected vararg", "this function has no `...`", "write `(fn [...] …)`"),
    ("could not read number ", "{} is not a number", "a name begins with a letter, a text stands in `\"…\"`"),
    ("local ", "this name is a form of Fennel and cannot be bound", "choose another name"),
    (
        "expected whitespace before opening delimiter ",
        "there is no space before `{}`",
        "`(f x)` calls `f`; values have a space between them",
    ),
    ("expected at least one pattern/body pair", "`case` has no pattern", CASE),
    ("expected even number of pattern/body pairs", "a pattern has no result", CASE),
    ("missing subject", "`case` has no value to compare", CASE),
    ("unable to bind ", "this is not a name", "a name, or a table or list of names, stands here"),
    ("symbols may only be used at compile time", "a quoted name is for macros only", QUOTES),
    ("lists may only be used at compile time", "a quoted list is for macros only", QUOTES),
    ("quoted ... may only be used at compile time", "a quoted `...` is for macros only", QUOTES),
    (
        "macro tried to bind ",
        "a macro binds a name of its caller",
        "write `name#` for a name of the macro's own",
    ),
    ("expected one argument", "`{form}` takes one argument", "write `({form} value)`"),
    ("cannot set field of literal value", "a literal has no fields", "write `(tset table :key value)`"),
    (
        "expected table, key, and value",
        "`tset` takes a table, a key and a value",
        "write `(tset table :key value)`",
    ),
];

const LOOPS: &str =
    "write `(each [_ value (ipairs list)] …)`, `(icollect [_ value (ipairs list)] …)` or `(for [i 1 3] …)`";
/// Macros that are marked as a whole when their names are wrong.
const WALKS: [&str; 5] = ["collect", "icollect", "fcollect", "accumulate", "faccumulate"];
const CASE: &str = "write `(case value pattern result _ otherwise)`";
const QUOTES: &str = "a text is `\"…\"` or `:word`, a list is `[a b]`";

/// The message and the hint for a message of the compiler at a place of a text; nothing for one that is as good as it is.
pub(super) fn own_words(message: &str, (text, span): (&str, Option<Span>)) -> Option<(String, String)> {
    let (begin, own, hint) = WORDS.iter().find(|(begin, ..)| message.starts_with(begin))?;
    let rest = message.get(begin.len()..).unwrap_or_default();
    // What binds names is marked at its names.
    let is_within =
        begin.contains("binding ") || begin.contains("iterator ") || *begin == "unexpected arguments";
    let (here, form) = span.map(|span| around(text, span, is_within)).unwrap_or_default();
    let filled = |words: &str| words.replace("{}", rest).replace("{here}", &here).replace("{form}", &form);
    Some((filled(own), filled(hint)))
}

/// The word at a place, and the word at the head of the form that it is, or that it is in.
fn around(text: &str, span: Span, is_within: bool) -> (String, String) {
    let is_name = |c: char| !c.is_whitespace() && !"()[]{}\"".contains(c);
    let line = text.lines().nth((span.line as usize).saturating_sub(1)).unwrap_or_default();
    let column = (span.column as usize).saturating_sub(1);
    let (before, from) = (line.get(..column).unwrap_or_default(), line.get(column..).unwrap_or_default());
    let word = |text: &str| text.chars().take_while(|c| is_name(*c)).collect::<String>();
    let own = from.strip_prefix('(').map(word);
    let form = match own.filter(|own| !is_within || WALKS.contains(&own.as_str())) {
        Some(own) => own,
        None => before.rsplit_once('(').map(|(_, outer)| word(outer)).unwrap_or_default(),
    };
    (word(from), form)
}
