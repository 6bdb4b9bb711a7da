//! Types that stand only in the OpenAPI document, for texts that are one of a few words.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::log_format::LogFormat;
use crate::event::Trigger;
use crate::model::{Outcome, Progress};

/// Declares the types: name, name in the document, words.
macro_rules! words {
    ($($name:ident $title:literal $words:expr;)*) => {$(
        #[doc = concat!("The words of ", $title, ".")]
        #[derive(Debug)]
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some($words)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($title)
            }
        }
    )*};
}

words! {
    StateWord "State" Progress::ALL.map(Progress::as_str);
    OutcomeWord "Outcome" Outcome::ALL.map(Outcome::as_str);
    EventWord "Event" shown_triggers();
    FormatWord "LogFormat" LogFormat::ALL.map(LogFormat::as_str);
}

/// The words for what starts runs, each once.
fn shown_triggers() -> Vec<&'static str> {
    let mut words = Trigger::ALL.map(Trigger::shown).to_vec();
    words.dedup();
    words
}
