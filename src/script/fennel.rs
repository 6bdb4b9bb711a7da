//! The Fennel compiler that is built in: its text, version and sha256. See `build.rs` for where it comes from.

/// The text of `fennel.lua`.
pub const FENNEL: &str = include_str!(concat!(env!("OUT_DIR"), "/fennel.lua"));

/// The release of the compiler: `1.6.1`.
pub const FENNEL_VERSION: &str = env!("QUIRE_FENNEL_VERSION");

/// The sha256 of [`FENNEL`] in hexadecimal digits.
pub const FENNEL_SHA256: &str = env!("QUIRE_FENNEL_SHA256");

#[cfg(test)]
#[path = "../../build/fennel_text.rs"]
mod fennel_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_compiler_is_what_its_variables_say() {
        assert_eq!(fennel_text::version_of(FENNEL), Some(FENNEL_VERSION));
        assert_eq!(FENNEL_SHA256.len(), 64);
    }
}
