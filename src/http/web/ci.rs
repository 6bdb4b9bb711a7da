//! How the jobs of a repository have been doing: the newest runs of its default branch.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;

use super::ask::Ask;
use super::bars::{Bar, links};
use super::frame::Frame;
use super::graph::{self, Node};
use super::html::Html;
use super::mark::{Mark, took};
use super::why::Mistake;
use crate::app::{RunFilter, StepTime, default_branch, list_run_shapes, run_shape, step_times};
use crate::http::problem::Refused;
use crate::model::Scope;
use crate::view::{JobShape, RunShape, one_line};

/// How many runs are looked at.
const MAX_RUNS: usize = 50;

/// How many jobs and steps are shown.
const MAX_JOBS: usize = 200;
const MAX_STEPS: usize = 10;

#[derive(Template)]
#[template(path = "ci.html")]
struct CiPage {
    frame: Frame,
    path: String,
    branch: String,
    runs: usize,
    bars: Html,
    newest: Option<u64>,
    mistakes: Vec<Mistake>,
    graph: Html,
    jobs: Vec<Row>,
    steps: Vec<Step>,
}

/// A job of the newest runs.
struct Row {
    id: String,
    mark: Mark,
    bars: Html,
    median: String,
    p95: String,
    passed: String,
    /// How often it failed and passed at the same commit.
    flaky: usize,
}

/// A step that takes long.
struct Step {
    job: String,
    number: u32,
    title: String,
    median: String,
    longest: String,
    run: u64,
}

/// `GET /{repo}/ci`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let (repo, _) = ask.repo(Scope::RunsRead).await?;
    let branch = default_branch(&ask.app, &repo).await;
    let filter = RunFilter {
        visible: Some(vec![repo.id.clone()]),
        ref_names: branch.iter().cloned().collect(),
        limit: MAX_RUNS,
        ..RunFilter::default()
    };
    let runs = list_run_shapes(&ask.app, filter.clone()).await?.runs;
    let times = step_times(&ask.app, filter).await?;
    let path = format!("/{}", repo.name);
    let newest = runs.first();
    let mistakes = match newest {
        Some(run) => run_shape(&ask.app, ask.run(run.number).await?).await?.diagnostics,
        None => Vec::new(),
    };
    let with_jobs = runs.iter().find(|run| !run.jobs.is_empty());
    let nodes: Vec<Node> = with_jobs.iter().flat_map(|run| &run.jobs).map(Node::of).collect();
    let run_path = with_jobs.map(|run| format!("{path}/run/{}", run.number)).unwrap_or_default();
    let bars: Vec<Bar> = runs.iter().rev().map(Bar::of_shape).collect();
    let mut frame = ask.frame("ci", "CI");
    frame.icon = newest.map_or(frame.icon, |run| Mark::of_word(run.word()).icon());
    ask.html(CiPage {
        frame,
        branch: branch.map(|branch| one_line(&branch.short())).unwrap_or_default(),
        runs: runs.len(),
        bars: links(&bars, &path),
        newest: newest.map(|run| run.number),
        mistakes: mistakes.iter().map(Mistake::of).collect(),
        graph: graph::draw(&nodes, &run_path),
        jobs: rows(&runs, &path),
        steps: slowest(times),
        path,
    })
    .await
}

/// The jobs, in the order of the newest run that has them.
fn rows(runs: &[RunShape], path: &str) -> Vec<Row> {
    let mut ids: Vec<&str> = Vec::new();
    for job in runs.iter().flat_map(|run| &run.jobs) {
        if ids.len() < MAX_JOBS && !ids.contains(&job.id.as_str()) {
            ids.push(&job.id);
        }
    }
    ids.into_iter().filter_map(|id| Row::of(id, runs, path)).collect()
}

impl Row {
    fn of(id: &str, runs: &[RunShape], path: &str) -> Option<Self> {
        let found: Vec<(&RunShape, &JobShape)> =
            runs.iter().filter_map(|run| Some((run, run.jobs.iter().find(|job| job.id == id)?))).collect();
        let (_, newest) = found.first()?;
        let count =
            |class: &str| found.iter().filter(|(_, job)| Mark::of_word(job.word()).class == class).count();
        let (passed, failed) = (count("ok"), count("bad"));
        let mut lengths: Vec<f64> = found
            .iter()
            .filter(|(_, job)| job.word() == "passed")
            .filter_map(|(_, job)| job.duration_s)
            .collect();
        lengths.sort_by(f64::total_cmp);
        let bars: Vec<Bar> = found.iter().rev().map(|(run, job)| Bar::of_job(run.number, job)).collect();
        Some(Self {
            mark: Mark::of_word(newest.word()),
            bars: links(&bars, path),
            median: took(percentile(&lengths, 50)),
            p95: took(percentile(&lengths, 95)),
            passed: match passed + failed {
                0 => "–".to_owned(),
                all => format!("{} % of {all}", passed * 100 / all),
            },
            flaky: flaky(&found),
            id: id.to_owned(),
        })
    }
}

/// How many commits there are at which a job has failed and passed.
fn flaky(found: &[(&RunShape, &JobShape)]) -> usize {
    let mut commits: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for (run, job) in found {
        let Some(sha) = &run.sha else { continue };
        let (passed, failed) = commits.entry(sha).or_default();
        match Mark::of_word(job.word()).class {
            "ok" => *passed = true,
            "bad" => *failed = true,
            _ => {}
        }
    }
    commits.values().filter(|(passed, failed)| *passed && *failed).count()
}

/// A percentile of sorted lengths.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last * percent).div_ceil(100)).copied()
}

/// The steps that take longest, by their medians.
fn slowest(times: Vec<StepTime>) -> Vec<Step> {
    let mut steps: BTreeMap<(String, u32, String), Vec<(f64, u64)>> = BTreeMap::new();
    for time in times {
        steps.entry((time.job, time.number, time.title)).or_default().push((time.seconds, time.run));
    }
    let mut found: Vec<(f64, Step)> = Vec::new();
    for ((job, number, title), mut lengths) in steps {
        lengths.sort_by(|one, other| one.0.total_cmp(&other.0));
        let Some((longest, run)) = lengths.last().copied() else { continue };
        let median = lengths.get(lengths.len() / 2).map_or(longest, |(seconds, _)| *seconds);
        let (median_text, longest) = (took(Some(median)), took(Some(longest)));
        found
            .push((median, Step { job, number, title: one_line(&title), median: median_text, longest, run }));
    }
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.into_iter().take(MAX_STEPS).map(|(_, step)| step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_lengths_that_were_there() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[3.0], 95), Some(3.0));
        let lengths: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&lengths, 50), percentile(&lengths, 95)), (Some(51.0), Some(96.0)));
    }

    #[test]
    fn the_slowest_steps_come_first() {
        let time = |job: &str, seconds, run| StepTime {
            run,
            job: job.into(),
            number: 1,
            title: "x".into(),
            seconds,
        };
        let steps = slowest(vec![
            time("a", 1.0, 1),
            time("b", 5.0, 1),
            time("b", 7.0, 2),
            time("a", 90.0, 2),
            time("a", 2.0, 3),
        ]);
        assert_eq!(
            steps.iter().map(|step| (step.job.as_str(), step.run)).collect::<Vec<_>>(),
            [("b", 2), ("a", 2)]
        );
    }
}
