//! The jobs that a push names with `ci.only=JOB`: of its run only these start, and what they need. They are kept with the run
//! as push options, so that a rerun has the same jobs.

use std::collections::BTreeSet;

/// How a push option begins that names a job.
pub(crate) const ONLY_OPTION: &str = "ci.only=";

/// The most jobs that one push names.
const MAX_JOBS: usize = 64;

/// The longest name that is kept, in characters: a job id has 64.
const MAX_NAME: usize = 80;

/// The jobs that a push names. Whatever was given is kept: a name that is no job starts none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnlyJobs(BTreeSet<String>);

impl OnlyJobs {
    /// Those among the options of a run; nothing when no option names a job, and then all jobs start.
    pub(crate) fn of_options(options: &[String]) -> Option<Self> {
        let named = options.iter().filter_map(|option| option.strip_prefix(ONLY_OPTION));
        let named: BTreeSet<String> =
            named.map(|name| name.chars().take(MAX_NAME).collect()).take(MAX_JOBS).collect();
        (!named.is_empty()).then_some(Self(named))
    }

    /// The same as options of a run.
    pub(crate) fn to_options(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|name| format!("{ONLY_OPTION}{name}"))
    }

    /// The names.
    pub(crate) fn names(self) -> BTreeSet<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_kept_once_and_survives_as_an_option() {
        let options = ["ci.wait", "ci.only=test", "ci.only=build", "ci.only=test", "ci.only=", "ci.onlyx"];
        let only = OnlyJobs::of_options(&options.map(str::to_owned)).unwrap();
        let again: Vec<String> = only.to_options().collect();
        assert_eq!(again, ["ci.only=", "ci.only=build", "ci.only=test"]);
        assert_eq!(OnlyJobs::of_options(&again), Some(only));
        assert_eq!(OnlyJobs::of_options(&["ci.only".to_owned(), "ci.wait".to_owned()]), None);
        let many: Vec<String> = (0..999).map(|n| format!("ci.only={n}{}", "x".repeat(9000))).collect();
        let names = OnlyJobs::of_options(&many).unwrap().names();
        assert!(names.len() == MAX_JOBS && names.iter().all(|name| name.chars().count() <= MAX_NAME));
    }
}
