//! The runs before a run on the same ref: whether something is usual.

use super::ask::Ask;
use super::bars::{Bar, links};
use super::html::Html;
use super::mark::Mark;
use crate::app::{RunFilter, RunRow, list_run_shapes};
use crate::http::problem::Refused;
use crate::view::{JobShape, RunShape};

/// How many runs a trend has.
const MAX_RUNS: usize = 30;

/// How many passed runs say how long something usually takes, and how few are not enough.
const USUAL: usize = 10;
const FEWEST: usize = 3;

/// The runs of a ref up to some run, newest first.
pub(super) struct Trend {
    path: String,
    runs: Vec<RunShape>,
}

impl Trend {
    /// The trend that leads to a run.
    pub(super) async fn before(ask: &Ask, row: &RunRow) -> Result<Self, Refused> {
        let ref_names = row.event.subject.iter().map(|update| update.ref_name.clone()).collect();
        let filter = RunFilter {
            visible: Some(vec![row.repo_id.clone()]),
            ref_names,
            before: Some(row.seq.saturating_add(1)),
            limit: MAX_RUNS,
            ..RunFilter::default()
        };
        let runs = list_run_shapes(&ask.app, filter).await?.runs;
        Ok(Self { path: format!("/{}", row.repo), runs })
    }

    /// The bars of the runs.
    pub(super) fn run_bars(&self) -> Html {
        let bars: Vec<Bar> = self.runs.iter().rev().map(Bar::of_shape).collect();
        if bars.len() < 2 { Html::default() } else { links(&bars, &self.path) }
    }

    /// The bars of a job of the runs.
    pub(super) fn job_bars(&self, id: &str) -> Html {
        let mut bars: Vec<Bar> = self.jobs(id).map(|(number, job)| Bar::of_job(number, job)).collect();
        bars.reverse();
        if bars.len() < 2 { Html::default() } else { links(&bars, &self.path) }
    }

    /// The job of each run, newest first.
    fn jobs<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (u64, &'a JobShape)> {
        self.runs.iter().filter_map(move |run| Some((run.number, run.jobs.iter().find(|job| job.id == id)?)))
    }

    /// How long the run usually takes, in seconds; nothing when it is not known.
    pub(super) fn usual_run(&self) -> Option<f64> {
        let passed = self.runs.iter().filter(|run| run.word() == "passed");
        median(passed.filter_map(|run| run.duration_s))
    }

    /// How long a job usually takes, in seconds; nothing when it is not known.
    pub(super) fn usual_job(&self, id: &str) -> Option<f64> {
        let passed = self.jobs(id).filter(|(_, job)| job.word() == "passed");
        median(passed.filter_map(|(_, job)| job.duration_s))
    }

    /// When a job that has failed passed before: `was passing in #40`.
    pub(super) fn since(&self, id: &str) -> Option<String> {
        let ended: Vec<(u64, &JobShape)> = self
            .jobs(id)
            .skip(1)
            .filter(|(_, job)| matches!(Mark::of_word(job.word()).class, "ok" | "bad"))
            .collect();
        let passed = ended.iter().position(|(_, job)| job.word() == "passed");
        match (passed, ended.first()) {
            (_, None) => None,
            (Some(0), Some((number, _))) => Some(format!("was passing in #{number}")),
            (Some(place), _) => {
                let first = ended.get(place - 1).map(|(number, _)| *number).unwrap_or_default();
                Some(format!("failing since #{first}"))
            }
            (None, _) => Some(format!("has not passed in {} earlier runs", ended.len())),
        }
    }
}

/// The median of some lengths, newest first, when there are enough of them.
fn median(lengths: impl Iterator<Item = f64>) -> Option<f64> {
    let mut lengths: Vec<f64> = lengths.take(USUAL).collect();
    lengths.sort_by(f64::total_cmp);
    lengths.get(lengths.len() / 2).copied().filter(|_| lengths.len() >= FEWEST)
}
