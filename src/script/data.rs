//! Reads a Fennel file that is data, such as `config.fnl`. Nothing in it is evaluated: Fennel's parser reads it, unless
//! [`plain_data`] can, and whatever is not a table, list, string, number, boolean or nil is an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlua::Table;

use crate::model::{Diagnostic, Severity, Span};

use super::compile_error::{self, Context, arrange, mistakes};
use super::compile_vm::{CompileLimits, CompileVm, CompileVmError};
use super::foreign_text::{Repaired, other_language, repaired};
use super::plain_data;
use super::source_text::source_text;
use crate::schema::{Node, Source, Value};

/// Tables and lists inside each other, at most.
pub(crate) const MAX_DATA_DEPTH: usize = 32;

/// How a data file is written.
const EXAMPLE: &str = "the file is one table in Fennel: `{:key \"value\" :list [\"a\" \"b\"]}`";

/// Reads the one value of a data file. A file without a value is an empty table.
///
/// # Errors
/// Gives all mistakes of the file with their places.
pub(crate) fn read(file: &str, text: &[u8]) -> Result<Node, Vec<Diagnostic>> {
    let text = source_text(file, text).map_err(|problem| vec![problem])?;
    let source = Source::fennel(file, text);
    match plain_data::read(&source) {
        Some(node) => Ok(node),
        None => read_with_fennel(&source),
    }
}

/// The same with Fennel's own parser.
pub(super) fn read_with_fennel(source: &Arc<Source>) -> Result<Node, Vec<Diagnostic>> {
    let (file, text) = (source.file.as_str(), &source.text);
    let files = BTreeMap::from([(file.to_owned(), text.clone())]);
    let mut reader = Reader { source: Arc::clone(source), problems: Vec::new() };
    let node = reader.read(&files).map_err(|problem| vec![Diagnostic::error(file, chain(&problem))])?;
    if reader.problems.is_empty() {
        return Ok(node);
    }
    if let Some(foreign) = other_language(file, text) {
        return Err(vec![if foreign.message.ends_with("not Fennel") {
            foreign.help(EXAMPLE)
        } else {
            foreign
        }]);
    }
    // Text of another language is replaced, so that what is left has only mistakes of its own.
    if let Some(Repaired { text, mistakes }) = repaired(file, text) {
        let files = BTreeMap::from([(file.to_owned(), text)]);
        reader.problems = mistakes;
        let _nothing_more = reader.read(&files).is_err();
    }
    Err(arrange(reader.problems, file))
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Turns what the VM read into nodes and collects the mistakes.
struct Reader {
    source: Arc<Source>,
    problems: Vec<Diagnostic>,
}

impl Reader {
    fn read(&mut self, files: &BTreeMap<String, String>) -> Result<Node, CompileVmError> {
        let vm = CompileVm::start(files, CompileLimits::default())?;
        let (forms, found) = vm.run(|_| {
            let data: mlua::Function = vm.driver.get("data")?;
            let (forms, found): (Table, Table) = data.call(self.source.file.as_str())?;
            Ok((forms.sequence_values().collect::<mlua::Result<Vec<Table>>>()?, mistakes(&found)?))
        })?;
        let context = Context { files, entry: &self.source.file, words: Vec::new(), modules: Vec::new() };
        self.problems.extend(found.iter().map(|mistake| context.diagnostic(mistake, Severity::Error)));
        let mut nodes = Vec::new();
        for form in &forms {
            nodes.push(vm.run(|_| self.node(form, 0))?);
        }
        let values = nodes.iter().filter(|node| node.value != Value::Nil || !self.is_reported(node));
        let extra = |node: &Node| {
            let problem = node.error("the file holds one value, and this is another one");
            problem.help("put both into one table `{…}`")
        };
        let extra: Vec<Diagnostic> = values.skip(1).map(extra).collect();
        self.problems.extend(extra);
        let empty = || Node::new(Some(Span::point(1, 1)), Value::Table(Vec::new()), &self.source);
        Ok(nodes.into_iter().next().unwrap_or_else(empty))
    }

    /// One value, or nil in the place of a mistake.
    fn node(&mut self, table: &Table, depth: usize) -> mlua::Result<Node> {
        let span = table.raw_get::<Option<Table>>("span")?;
        let span = span.as_ref().map(compile_error::span).transpose()?.unwrap_or(Span::point(1, 1));
        let kind: String = table.raw_get("kind")?;
        let nil = Node::new(Some(span), Value::Nil, &self.source);
        if depth > MAX_DATA_DEPTH {
            self.problems
                .push(nil.error(format!("values are nested more than {MAX_DATA_DEPTH} levels deep")));
            return Ok(nil);
        }
        let value = match kind.as_str() {
            "string" => self.string(&nil, &table.raw_get::<mlua::LuaString>("value")?),
            "number" => Value::Number(table.raw_get::<f64>("value")?.into()),
            "boolean" => Value::Bool(table.raw_get("value")?),
            "list" => Value::List(self.items(table, depth)?),
            "table" => {
                let items = self.items(table, depth)?;
                Value::Table(self.pairs(items))
            }
            "nil" => Value::Nil,
            "symbol" => self.refuse_symbol(&nil, &table.raw_get::<String>("value")?),
            _ => self.refuse_call(&nil, &table.raw_get::<String>("value")?),
        };
        Ok(Node::new(Some(span), value, &self.source))
    }

    fn items(&mut self, table: &Table, depth: usize) -> mlua::Result<Vec<Node>> {
        let items: Table = table.raw_get("items")?;
        items.sequence_values::<Table>().map(|item| self.node(&item?, depth + 1)).collect()
    }

    /// Keys and values by turns, as pairs; keys that stand there twice are mistakes.
    fn pairs(&mut self, items: Vec<Node>) -> Vec<(Node, Node)> {
        let mut pairs: Vec<(Node, Node)> = Vec::with_capacity(items.len() / 2);
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            match &key.value {
                Value::String(name) => {
                    if let Some((first, _)) = pairs.iter().find(|(other, _)| other.value == key.value) {
                        let problem = key.error(format!("the key `:{name}` is in this table already"));
                        self.problems
                            .push(problem.help(format!("it is first given on line {}", first.line())));
                        continue;
                    }
                }
                // A mistake that is reported already stands here as nil.
                Value::Nil if self.is_reported(&key) => continue,
                Value::Table(_)
                | Value::List(_)
                | Value::Bytes(_)
                | Value::Number(_)
                | Value::Bool(_)
                | Value::Nil
                | Value::Other(_) => {}
            }
            pairs.push((key, value));
        }
        pairs
    }

    fn is_reported(&self, at: &Node) -> bool {
        self.problems.iter().any(|problem| problem.span == at.span)
    }

    /// A string, which is text although Fennel's escapes can write any bytes.
    fn string(&mut self, at: &Node, bytes: &mlua::LuaString) -> Value {
        match bytes.to_str() {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => {
                self.problems.push(at.error("the escapes in this string do not make UTF-8 text"));
                Value::Nil
            }
        }
    }

    fn refuse_symbol(&mut self, at: &Node, name: &str) -> Value {
        let file = &self.source.file;
        let problem = at.error(format!("{file} is data; the name `{name}` is not evaluated"));
        self.problems.push(problem.help(format!("write a string: `:{name}` or \"{name}\"")));
        Value::Nil
    }

    fn refuse_call(&mut self, at: &Node, head: &str) -> Value {
        let file = &self.source.file;
        let form = if head.is_empty() { "(…)".to_owned() } else { format!("({head} …)") };
        let problem = at.error(format!("{file} is data; `{form}` is not evaluated"));
        self.problems
            .push(problem.help("write the value itself; a table is `{:key value}`, a list is `[a b]`"));
        Value::Nil
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
        let found = read("config.fnl", text.as_ref()).unwrap_err();
        found.iter().map(|problem| format!("{}: {}", problem.place(), problem.message)).collect()
    }

    #[test]
    fn values_and_their_places_are_read() {
        let text = "; settings\n{:http {:bind \"127.0.0.1:7878\"}\n :é [1 -2.5 true nil :k \"a\\nb\"]}\n";
        let node = read("config.fnl", text.as_bytes()).unwrap();
        assert_eq!(node.span, Some(Span { line: 2, column: 1, end_line: 3, end_column: 34 }));
        let bind = node.get("http").unwrap().get("bind").unwrap();
        assert_eq!(bind.span, Some(Span { line: 2, column: 15, end_line: 2, end_column: 31 }));
        let list = node.get("é").unwrap().as_list().unwrap();
        let values: Vec<_> = list.iter().map(|item| item.value.clone()).collect();
        let text = |text: &str| Value::String(text.to_owned());
        assert_eq!(
            values,
            [
                Value::Number(1.0.into()),
                Value::Number((-2.5).into()),
                Value::Bool(true),
                Value::Nil,
                text("k"),
                text("a\nb")
            ]
        );
        assert_eq!(list[4].span, Some(Span { line: 3, column: 23, end_line: 3, end_column: 25 }));
        assert_eq!(list[0].span.unwrap().column, 7, "columns are bytes");
    }

    #[test]
    fn a_file_without_a_value_is_an_empty_table() {
        for text in ["", "\n", "; only a comment\n", "\u{feff}", "\u{feff}; é\r\n"] {
            assert_eq!(read("config.fnl", text.as_bytes()).unwrap().value, Value::Table(vec![]), "{text:?}");
        }
    }

    #[test]
    fn nothing_is_evaluated() {
        assert_eq!(
            problems("{:a (os.getenv :HOME)\n :b home\n :c #(+ 1)\n :d `x :e ... :f ((f))}"),
            [
                "config.fnl:1:5: config.fnl is data; `(os.getenv …)` is not evaluated",
                "config.fnl:2:5: config.fnl is data; the name `home` is not evaluated",
                "config.fnl:3:5: config.fnl is data; `(hashfn …)` is not evaluated",
                "config.fnl:4:5: config.fnl is data; `(quote …)` is not evaluated",
                "config.fnl:4:11: config.fnl is data; the name `...` is not evaluated",
                "config.fnl:4:18: config.fnl is data; `((f) …)` is not evaluated",
            ]
        );
        let hint = read("config.fnl", b"{:b home}").unwrap_err().remove(0).help.unwrap();
        assert_eq!(hint, "write a string: `:home` or \"home\"");
    }

    #[test]
    fn mistakes_of_form_have_their_place() {
        assert_eq!(
            problems("{:a 1} {:b 2}"),
            ["config.fnl:1:8: the file holds one value, and this is another one"]
        );
        assert_eq!(problems("{:a 1 :b 2\n :a 3}"), ["config.fnl:2:2: the key `:a` is in this table already"]);
        assert_eq!(problems("{:a 1 :b}"), ["config.fnl:1:7: this key has no value"]);
        assert_eq!(problems("{:a 1\n :b {:c 2}"), ["config.fnl:1:1: expected closing delimiter }"]);
        assert_eq!(problems("{:a 1]"), ["config.fnl:1:6: mismatched closing delimiter ], expected }"]);
        assert_eq!(
            problems("{:a \"\\xff\"}"),
            ["config.fnl:1:5: the escapes in this string do not make UTF-8 text"]
        );
        assert_eq!(
            problems("{: name}"),
            ["config.fnl:1:4: config.fnl is data; the name `name` is not evaluated"]
        );
    }

    #[test]
    fn bytes_that_are_not_text_are_named() {
        assert_eq!(problems(b"\xff\xfe{\0"), ["config.fnl: the file is UTF-16 text"]);
        assert_eq!(problems(b"{:a \"\xe9\"}"), ["config.fnl:1:6: the file is not UTF-8 text"]);
    }

    #[test]
    fn nesting_is_limited_at_the_limit_and_above() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read("f", nested(MAX_DATA_DEPTH + 1).as_bytes()).is_ok());
        assert!(problems(nested(MAX_DATA_DEPTH + 2))[0].contains("nested more than 32 levels"));
        assert!(problems(nested(5000))[0].contains("nested"));
        assert!(problems("(".repeat(100_000))[0].contains("expected closing"));
    }

    #[test]
    fn accessors_give_what_is_there() {
        let node = read("config.fnl", b"{:a \"x\" :b [1 2] :c true :d {} :e 1.5 :f []}").unwrap();
        assert_eq!(node.get("a").unwrap().as_str().unwrap(), "x");
        assert_eq!(node.get("b").unwrap().as_list().unwrap()[1].as_integer(0, 9).unwrap(), 2);
        assert!(node.get("c").unwrap().as_bool().unwrap());
        assert!(node.get("d").unwrap().as_list().unwrap().is_empty());
        assert!(node.get("f").unwrap().as_table().unwrap().is_empty());
        assert_eq!(node.get("e").unwrap().as_text().unwrap(), "1.5");
        assert_eq!(node.as_table().unwrap().len(), 6);
        assert!(node.get("z").is_none());
    }

    #[test]
    fn a_value_of_another_kind_is_an_error_with_its_place() {
        let node = read("config.fnl", b"{:a \"x\"\n :b [1 2]\n :c -3\n :d .inf}").unwrap();
        let (a, b, c) = (node.get("a").unwrap(), node.get("b").unwrap(), node.get("c").unwrap());
        for (problem, expected) in [
            (a.as_table().unwrap_err(), "config.fnl:1:5: expected a table, got a string"),
            (b.as_str().unwrap_err(), "config.fnl:2:5: expected a string, got a list"),
            (c.as_bool().unwrap_err(), "config.fnl:3:5: expected `true` or `false`, got the number -3"),
            (c.as_integer(1, 8).unwrap_err(), "3:5: expected a whole number from 1 to 8, got the number -3"),
            (node.get("d").unwrap().as_integer(1, 8).unwrap_err(), "expected a whole number"),
            (node.get("d").unwrap().as_duration().unwrap_err(), "a duration must be more than 0"),
            (node.as_list().unwrap_err(), "expected a list, got a table"),
        ] {
            let text = problem.render();
            assert!(text.contains(expected), "{text}");
        }
    }
}
