//! What a pipeline said with `ci:job`, as it said it.
//!
//! Reading never refuses: mistakes are kept next to what was understood, so that the check of the pipeline can
//! report all mistakes of a file at once. Whether names exist, options are known and the graph is sound is that
//! check's business.

use mlua::{Function, Value};

use super::lua_node::{self, kind, manual, planned, text};
use crate::event::Source;
use crate::schema::Node;

/// The most jobs of one pipeline.
pub const MAX_JOBS: usize = 10_000;
/// The most inputs of one job that are read.
pub const MAX_INPUTS: usize = 10_000;

/// One call of `ci:job`.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// The first argument, when it is a text.
    pub id: Option<String>,
    /// The items of the second argument; an item that cannot be read has a problem instead.
    pub inputs: Vec<InputRef>,
    /// The options, known or not; a table without pairs when none are given.
    pub options: Node,
    /// Whether there is a function to run.
    pub has_run: bool,
    /// What the compiler said about the places of the arguments: its text, from `\1@` on.
    pub spans: Option<String>,
    /// The line of the call, when the stack shows it.
    pub line: Option<u32>,
    /// The file of the call, when the stack shows it.
    pub file: Option<String>,
    /// What is wrong with the call itself.
    pub problems: Vec<Problem>,
}

/// One item of a job's inputs.
#[derive(Debug, Clone, PartialEq)]
pub enum InputRef {
    /// The id of a job or of an event source.
    Name(String),
    /// `:quire/manual`, with the arguments that `ci.manual` declares.
    Manual(Node),
    /// What a constructor made that is not in this version, by its name: `cron`, `matrix`.
    Planned(String),
    /// Something else; a problem names it.
    Unreadable,
}

/// A mistake in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong: one line.
    pub what: String,
    /// The argument it is in, from 0: id, inputs, then options or function. None: the call as a whole.
    pub argument: Option<usize>,
    /// The item of the inputs, from 0.
    pub item: Option<usize>,
}

/// The calls so far, with their functions.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) registrations: Vec<Registration>,
    runs: Vec<Option<Function>>,
}

impl Registry {
    /// Keeps one call; refuses the one over the limit.
    pub(super) fn add(&mut self, registration: Registration, run: Option<Function>) -> Result<(), String> {
        if self.registrations.len() >= MAX_JOBS {
            return Err(format!("a pipeline has at most {MAX_JOBS} jobs"));
        }
        self.registrations.push(registration);
        self.runs.push(run);
        Ok(())
    }

    /// The function of the first job of a name.
    pub(super) fn run_of(&self, job: &str) -> Option<Function> {
        let place =
            self.registrations.iter().position(|registration| registration.id.as_deref() == Some(job))?;
        self.runs.get(place)?.clone()
    }

    /// The event sources that the first job of a name has among its inputs.
    pub(super) fn sources_of(&self, job: &str) -> Vec<String> {
        let inputs = self.registrations.iter().find(|found| found.id.as_deref() == Some(job));
        let inputs = inputs.map(|found| found.inputs.as_slice()).unwrap_or_default();
        let name = |input: &InputRef| match input {
            InputRef::Name(name) if name.starts_with("quire/") => Some(name.clone()),
            InputRef::Manual(_) => Some(Source::MANUAL.to_owned()),
            InputRef::Name(_) | InputRef::Planned(_) | InputRef::Unreadable => None,
        };
        inputs.iter().filter_map(name).collect()
    }
}

/// Reads the arguments of one call.
pub(super) fn read(mut arguments: Vec<Value>) -> (Registration, Option<Function>) {
    let mut reading = Reading { problems: Vec::new() };
    let spans = take_span(&mut arguments);
    let count = arguments.len();
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().unwrap_or(Value::Nil);
    let id = reading.id(&next());
    let second = next();
    let inputs = reading.inputs(&second);
    // Without inputs the function is the second argument: that is one mistake.
    let third = if count == 2 && second.is_function() { second } else { next() };
    let fourth = next();
    let (options, run) = reading.options_and_run(third, fourth, count);
    if count > 4 {
        reading.whole(format!("`ci.job` takes an id, inputs, options and a function, got {count} arguments"));
    }
    let registration = Registration {
        id,
        inputs,
        options,
        has_run: run.is_some(),
        spans,
        line: None,
        file: None,
        problems: reading.problems,
    };
    (registration, run)
}

fn take_span(arguments: &mut Vec<Value>) -> Option<String> {
    let span = arguments.last()?.as_string()?.to_string_lossy();
    if !span.starts_with("\u{1}@") {
        return None;
    }
    arguments.pop();
    Some(span)
}

struct Reading {
    problems: Vec<Problem>,
}

impl Reading {
    fn whole(&mut self, what: String) {
        self.problems.push(Problem { what, argument: None, item: None });
    }

    fn argument(&mut self, argument: usize, what: String) {
        self.problems.push(Problem { what, argument: Some(argument), item: None });
    }

    fn id(&mut self, value: &Value) -> Option<String> {
        let id = text(value);
        if id.is_none() {
            self.argument(0, format!("a job's id is a string, got {}", kind(value)));
        }
        id
    }

    fn inputs(&mut self, value: &Value) -> Vec<InputRef> {
        let Value::Table(table) = value else {
            let what =
                format!("a job's inputs are a list of names, such as [:quire/push], got {}", kind(value));
            self.argument(1, what);
            return Vec::new();
        };
        if let Some(planned) = planned(table) {
            self.argument(1, format!("a job's inputs are a list: write [(ci.{planned} …)]"));
            return vec![InputRef::Planned(planned)];
        }
        if let Some(arguments) = manual(table) {
            self.argument(1, "a job's inputs are a list: write [(ci.manual …)]".to_owned());
            return vec![InputRef::Manual(arguments)];
        }
        let length = table.raw_len();
        if table.pairs::<Value, Value>().flatten().take(length + 1).count() != length {
            self.argument(1, "a job's inputs are a list of names, got a table with keys".to_owned());
        } else if length == 0 {
            self.argument(1, "a job needs at least one input, such as :quire/push".to_owned());
        } else if length > MAX_INPUTS {
            self.argument(1, format!("a job has at most {MAX_INPUTS} inputs, this one has {length}"));
        }
        (1..=length.min(MAX_INPUTS))
            .map(|place| self.input(place - 1, &table.raw_get(place).unwrap_or(Value::Nil)))
            .collect()
    }

    fn input(&mut self, item: usize, value: &Value) -> InputRef {
        if let Some(name) = text(value) {
            return InputRef::Name(name);
        }
        if let Some(planned) = value.as_table().and_then(planned) {
            return InputRef::Planned(planned);
        }
        if let Some(arguments) = value.as_table().and_then(manual) {
            return InputRef::Manual(arguments);
        }
        let what = format!("an input is the id of a job or a source, got {}", kind(value));
        self.problems.push(Problem { what, argument: Some(1), item: Some(item) });
        InputRef::Unreadable
    }

    fn options_and_run(&mut self, third: Value, fourth: Value, count: usize) -> (Node, Option<Function>) {
        let none = || lua_node::read_options(&Value::Nil);
        match (third, fourth) {
            (Value::Function(run), Value::Nil) => (none(), Some(run)),
            (table @ Value::Table(_), Value::Function(run)) => (lua_node::read(&table), Some(run)),
            (Value::Nil, Value::Function(run)) => (none(), Some(run)),
            (Value::Function(run), table @ Value::Table(_)) => {
                self.argument(3, "a job's options come before its function".to_owned());
                (lua_node::read(&table), Some(run))
            }
            (table @ Value::Table(_), other) => {
                let place = if count > 3 { Some(3) } else { None };
                let what = format!("a job needs a function to run, got {}", kind(&other));
                self.problems.push(Problem { what, argument: place, item: None });
                (lua_node::read(&table), None)
            }
            (Value::Nil, Value::Nil) => {
                self.whole("a job needs a function to run".to_owned());
                (none(), None)
            }
            (third, fourth) => {
                let what =
                    format!("a job's third argument is its options or its function, got {}", kind(&third));
                self.argument(2, what);
                (none(), fourth.as_function().cloned())
            }
        }
    }
}
