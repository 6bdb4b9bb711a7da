//! Embeds the Fennel compiler.
fn main() {}
