//! Plans of commits that were evaluated a moment ago: who starts many runs of one commit has its pipeline evaluated by the
//! runs alone. In memory; the plan of a broken pipeline is not kept, since more time or memory may mend it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::event::{RefUpdate, Start};
use crate::run::PlanAnswer;

/// How many plans are kept.
const MAX_PLANS: usize = 64;

/// The most jobs of a plan that is kept.
const MAX_JOBS: usize = 256;

/// What a plan depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanKey {
    pub(super) git_dir: PathBuf,
    pub(super) update: RefUpdate,
    pub(super) start: Start,
    pub(super) vm_memory: u64,
}

/// The plans, the newest last.
#[derive(Debug, Default)]
pub(crate) struct KnownPlans(Mutex<VecDeque<(PlanKey, PlanAnswer)>>);

impl KnownPlans {
    pub(super) fn find(&self, key: &PlanKey) -> Option<PlanAnswer> {
        let plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.iter().rev().find(|(known, _)| known == key).map(|(_, plan)| plan.clone())
    }

    pub(super) fn keep(&self, key: PlanKey, plan: &PlanAnswer) {
        if plan.is_broken || plan.jobs.len() > MAX_JOBS {
            return;
        }
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|(known, _)| *known != key);
        if plans.len() >= MAX_PLANS {
            plans.pop_front();
        }
        plans.push_back((key, plan.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Source;
    use crate::model::{CommitId, RefName};

    fn key(number: usize) -> PlanKey {
        let id = CommitId::parse(&format!("{number:040x}")).unwrap();
        let ref_name = RefName::parse(b"refs/heads/main").unwrap();
        PlanKey {
            git_dir: "/repos/a.git".into(),
            update: RefUpdate { ref_name, old: id, new: id },
            start: Start::from(Source::Manual),
            vm_memory: 1,
        }
    }

    #[test]
    fn the_newest_plans_are_known_and_no_broken_one() {
        let plans = KnownPlans::default();
        let plan = |is_broken| PlanAnswer { jobs: Vec::new(), diagnostics: Vec::new(), is_broken };
        plans.keep(key(0), &plan(true));
        assert!(plans.find(&key(0)).is_none());
        (1..=MAX_PLANS + 1).for_each(|number| plans.keep(key(number), &plan(false)));
        assert!(plans.find(&key(1)).is_none() && plans.find(&key(2)).is_some());
        let other = PlanKey { vm_memory: 2, ..key(2) };
        assert!(plans.find(&other).is_none());
    }
}
