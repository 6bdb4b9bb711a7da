//! What the operator decides: where the data is, and what `config.fnl` says.

mod data_dir;

pub use data_dir::{DataDir, DataDirHints};
