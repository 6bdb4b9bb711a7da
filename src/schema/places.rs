//! Where the parts of a value are written that a program computed from a literal.

use std::sync::Arc;

use super::node::{Node, Source, Value};
use crate::model::Span;

/// The place of an argument of a call, and of what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The whole of it.
    pub(crate) span: Span,
    /// The elements of a literal list; empty for anything else.
    pub(crate) items: Vec<Self>,
    /// The keys of a literal table: name, place of the key, and the value; empty for anything else.
    pub(crate) keys: Vec<(String, Span, Self)>,
}

impl Places {
    /// The place of a value with nothing in it.
    pub(crate) fn of(span: Span) -> Self {
        Self { span, items: Vec::new(), keys: Vec::new() }
    }
}

impl Node {
    /// The same value at these places of a file. A part whose place is not known stays without.
    #[must_use]
    pub(crate) fn placed(self, places: Option<&Places>, source: &Arc<Source>) -> Self {
        let value = match self.value {
            Value::Table(pairs) => Value::Table(
                pairs
                    .into_iter()
                    .map(|(key, value)| {
                        let known =
                            places.and_then(|places| places.keys.iter().find(|(name, ..)| key.is_text(name)));
                        let key_span = known.map(|(_, span, _)| *span);
                        let value = value.placed(known.map(|(.., places)| places), source);
                        (Self::new(key_span, key.value, source), value)
                    })
                    .collect(),
            ),
            Value::List(items) => {
                // A list with a call at its end has more items than places.
                let place = |index: usize| places.and_then(|places| places.items.get(index));
                let items = items.into_iter().enumerate();
                Value::List(items.map(|(index, item)| item.placed(place(index), source)).collect())
            }
            value @ (Value::String(_)
            | Value::Bytes(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Nil
            | Value::Other(_)) => value,
        };
        Self::new(places.map(|places| places.span), value, source)
    }
}
