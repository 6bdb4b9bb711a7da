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
