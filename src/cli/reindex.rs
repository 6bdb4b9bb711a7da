//! `quire doctor --reindex`: fills the index of runs anew from their journals.

use super::exit::{Code, Ended, print, print_error};
use crate::app;
use crate::config::DataDir;
use crate::view::plain;

/// Fills the index.
pub(super) fn reindex(data: &DataDir) -> Ended {
    let done = app::reindex(data)?;
    for problem in &done.problems {
        print_error(&format!("error: {}\n", plain(problem)));
    }
    print(&format!(
        "indexed from their journals: {} runs, {} jobs, {} steps\n",
        done.runs, done.jobs, done.steps
    ));
    Ok(if done.problems.is_empty() { Code::Done } else { Code::Failed })
}
