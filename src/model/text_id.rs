//! The macro for names and ids that are text: one `parse`, which reports what is wrong, and no other constructor.

/// Declares a newtype of text. `$read` returns the part of a text that is kept, or the rule that it breaks.
macro_rules! text_id {
    ($(#[$meta:meta])* $vis:vis $name:ident, $error:ty, $read:path) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis struct $name(String);

        impl $name {
            /// Parses a text.
            ///
            /// # Errors
            /// The rule that the text breaks.
            $vis fn parse(text: &str) -> Result<$name, $error> {
                $read(text).map(|kept| $name(kept.to_owned()))
            }

            /// The text.
            $vis fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(super) use text_id;
