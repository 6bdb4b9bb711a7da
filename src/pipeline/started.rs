//! The part of a job graph that a run has: what the fired event sources start.

use super::graph::{Job, JobGraph, Need};
use crate::event::Start;

impl JobGraph {
    /// The jobs of a run: the root jobs that need one of the sources that fired, or the one that was named, and the jobs all of
    /// whose needs are among these. They do not need a source that did not fire.
    #[must_use]
    pub(crate) fn started_by(&self, start: &Start) -> Self {
        let is_started = self.is_started(start);
        let mut place_of = vec![None; self.jobs.len()];
        let started = || self.jobs.iter().zip(&is_started).enumerate().filter(|(_, (_, started))| **started);
        for (new, (old, _)) in started().enumerate() {
            if let Some(place) = place_of.get_mut(old) {
                *place = Some(new);
            }
        }
        let moved = |need: &Need| match need {
            Need::Source(source) => start.sources.contains(source).then(|| need.clone()),
            Need::Job(old) => place_of.get(*old).copied().flatten().map(Need::Job),
        };
        let jobs = started()
            .map(|(_, (job, _))| Job { needs: job.needs.iter().filter_map(moved).collect(), ..job.clone() });
        Self { jobs: jobs.collect() }
    }

    /// The jobs without some of them, in their order; none needs another.
    #[must_use]
    pub(crate) fn apart_from(&self, is_left_out: impl Fn(&Job) -> bool) -> Self {
        let jobs = self.jobs.iter().filter(|job| !is_left_out(job));
        Self { jobs: jobs.map(|job| Job { needs: Vec::new(), ..job.clone() }).collect() }
    }

    /// Of each job, whether it is started.
    pub(super) fn is_started(&self, start: &Start) -> Vec<bool> {
        let mut is_started = vec![false; self.jobs.len()];
        // Of each job, how many needs are not started yet, and which jobs need it.
        let mut missing = vec![0_usize; self.jobs.len()];
        let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); self.jobs.len()];
        let mut ready = Vec::new();
        for (index, (job, missing)) in self.jobs.iter().zip(&mut missing).enumerate() {
            let mut has_source = None;
            for need in &job.needs {
                match need {
                    Need::Source(source) => {
                        has_source = Some(has_source.unwrap_or_default() || start.sources.contains(source));
                    }
                    Need::Job(needed) => {
                        *missing += 1;
                        needed_by.get_mut(*needed).into_iter().for_each(|jobs| jobs.push(index));
                    }
                }
            }
            if has_source == Some(false) {
                // Its own sources are silent: no job can start it.
                *missing += 1;
            } else if *missing == 0 && start.root.as_ref().is_none_or(|root| *root == job.id) {
                ready.push(index);
            }
        }
        while let Some(index) = ready.pop() {
            is_started.get_mut(index).into_iter().for_each(|started| *started = true);
            for dependent in needed_by.get(index).into_iter().flatten() {
                if let Some(missing) = missing.get_mut(*dependent) {
                    *missing -= 1;
                    if *missing == 0 {
                        ready.push(*dependent);
                    }
                }
            }
        }
        if let Some(only) = &start.only {
            self.keep_only(&mut is_started, only);
        }
        is_started
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Source;
    use crate::model::JobId;
    use crate::pipeline::JobOptions;

    const PUSH: Need = Need::Source(Source::Push);
    const MANUAL: Need = Need::Source(Source::Manual);

    fn nightly() -> Source {
        Source::Cron { schedule: "0 3 * * *".to_owned() }
    }

    fn graph(jobs: &[(&str, Vec<Need>)]) -> JobGraph {
        let job = |(id, needs): &(&str, Vec<Need>)| Job {
            id: JobId::parse(id).unwrap(),
            needs: needs.clone(),
            options: JobOptions::default(),
        };
        JobGraph { jobs: jobs.iter().map(job).collect() }
    }

    fn started(graph: &JobGraph, fired: &[Source]) -> Vec<String> {
        started_at(graph, fired, None)
    }

    fn started_at(graph: &JobGraph, fired: &[Source], root: Option<&str>) -> Vec<String> {
        let root = root.map(|id| JobId::parse(id).unwrap());
        let part = graph.started_by(&Start { sources: fired.iter().cloned().collect(), root, only: None });
        let line = |job: &Job| format!("{}: {}", job.id, part.need_names(job).join(" "));
        part.jobs().iter().map(line).collect()
    }

    #[test]
    fn a_run_has_the_root_jobs_whose_sources_fired_and_what_needs_them() {
        let graph = graph(&[
            ("report", vec![Need::Job(2), Need::Job(4)]),
            ("ship", vec![Need::Job(2)]),
            ("test", vec![PUSH, MANUAL]),
            ("clean", vec![Need::Source(nightly())]),
            ("bench", vec![MANUAL]),
            ("both", vec![PUSH, Need::Job(4)]),
        ]);
        assert_eq!(started(&graph, &[Source::Push]), ["ship: test", "test: quire/push"]);
        assert_eq!(
            started(&graph, &[Source::Manual]),
            ["report: test bench", "ship: test", "test: quire/manual", "bench: quire/manual"]
        );
        assert_eq!(started(&graph, &[nightly()]), ["clean: quire/cron"]);
        assert!(started(&graph, &[Source::Cron { schedule: "@daily".to_owned() }]).is_empty());
        assert_eq!(started(&graph, &[Source::Push, Source::Manual]).len(), 5);
        assert!(started(&graph, &[]).is_empty());
    }

    #[test]
    fn a_named_root_job_starts_with_what_needs_it_and_no_other() {
        let graph = graph(&[
            ("deploy", vec![MANUAL]),
            ("smoke", vec![Need::Job(0), MANUAL]),
            ("backup", vec![MANUAL]),
            ("report", vec![Need::Job(1), Need::Job(2)]),
            ("test", vec![PUSH]),
        ]);
        let manual = |root| started_at(&graph, &[Source::Manual], Some(root));
        assert_eq!(manual("deploy"), ["deploy: quire/manual", "smoke: deploy quire/manual"]);
        assert_eq!(manual("backup"), ["backup: quire/manual"]);
        // None of them starts by itself when somebody asks.
        for root in ["smoke", "report", "test", "none"] {
            assert!(manual(root).is_empty(), "{root}");
        }
    }
}
