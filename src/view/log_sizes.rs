//! How large the logs of a run are.

use std::collections::HashMap;
use std::path::Path;

use super::log_names::logs_in;
use crate::sys::folder::Folder;

/// The sizes of the logs of a run's steps, in bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogSizes(HashMap<String, HashMap<u32, u64>>);

impl LogSizes {
    /// Reads them below the folder of a run; what cannot be read has no size. Blocks.
    pub(crate) fn read(run_dir: &Path) -> Self {
        let mut sizes: HashMap<String, HashMap<u32, u64>> = HashMap::new();
        let Ok(run) = Folder::open_no_link(run_dir) else { return Self::default() };
        for name in logs_in(&run, None).unwrap_or_default() {
            let size = run.open_file(name.path()).and_then(|file| file.metadata()).map(|found| found.len());
            let step = name.step();
            if let (Some(job), Ok(size)) = (name.job, size) {
                sizes.entry(job).or_default().insert(step, size);
            }
        }
        Self(sizes)
    }

    /// The size of all logs of a job together.
    pub(crate) fn of_job(&self, job: &str) -> u64 {
        self.0.get(job).map(|steps| steps.values().sum()).unwrap_or_default()
    }

    /// The size of the log of a step.
    pub(crate) fn of(&self, job: &str, step: u32) -> u64 {
        self.0.get(job).and_then(|steps| steps.get(&step)).copied().unwrap_or_default()
    }
}
