//! Which jobs of a pipeline an event starts, which not, and why: known before anything runs.

use super::graph::{Job, JobGraph, Need, When};
use crate::event::Start;

/// What is known of a job before anything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It begins, whatever becomes of other jobs.
    Run,
    /// It is not a part of the run.
    Skip,
    /// It is a part of the run, and what becomes of the jobs that it needs decides.
    Depends,
}

impl JobGraph {
    /// Of each job, what is known before anything runs, and why.
    pub(crate) fn plan(&self, start: &Start) -> Vec<(Decision, String)> {
        let is_started = self.is_started(start);
        let started = |index: usize| is_started.get(index).copied().unwrap_or_default();
        let plan = |(index, job): (usize, &Job)| {
            if started(index) {
                self.of_started(job)
            } else {
                (Decision::Skip, self.why_not(job, start, &started))
            }
        };
        self.jobs.iter().enumerate().map(plan).collect()
    }

    fn of_started(&self, job: &Job) -> (Decision, String) {
        let needed = self.needed(job);
        let names = needed.iter().map(|(_, job)| job.id.as_str()).collect::<Vec<_>>().join(", ");
        match (needed.len(), job.options.when) {
            (0, _) => (Decision::Run, "its event source fires".to_owned()),
            (_, When::Always) => (Decision::Run, format!("runs when {names} ended, whatever the outcome")),
            (1, When::Passed) => (Decision::Depends, format!("runs when {names} passes")),
            (_, When::Passed) => (Decision::Depends, format!("runs when all of {names} pass")),
            (1, When::Failed) => (Decision::Depends, format!("runs when {names} fails")),
            (_, When::Failed) => (Decision::Depends, format!("runs when one of {names} fails")),
        }
    }

    fn why_not(&self, job: &Job, start: &Start, is_started: &dyn Fn(usize) -> bool) -> String {
        let sources = job.needs.iter().filter_map(|need| match need {
            Need::Source(source) => Some(source),
            Need::Job(_) => None,
        });
        let sources: Vec<_> = sources.collect();
        if !sources.is_empty() && !sources.iter().any(|source| start.sources.contains(source)) {
            let names: Vec<String> = sources.iter().map(|source| format!(":{}", source.name())).collect();
            return format!("needs {}, and this event does not fire it", names.join(" or "));
        }
        let missing = self.needed(job).into_iter().find(|(index, _)| !is_started(*index));
        match (missing, &start.root) {
            (Some((_, missing)), _) => format!("needs {}, which is not a part of the run", missing.id),
            (None, Some(root)) => format!("only {root} and what needs it is started"),
            (None, None) if start.only.is_some() => "no job that was asked for needs it".to_owned(),
            (None, None) => "no event source starts it".to_owned(),
        }
    }

    /// The jobs that a job needs, with their places.
    fn needed(&self, job: &Job) -> Vec<(usize, &Job)> {
        let needed = job.needs.iter().filter_map(|need| match need {
            Need::Source(_) => None,
            Need::Job(index) => Some((*index, self.jobs.get(*index)?)),
        });
        needed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Source;
    use crate::model::JobId;
    use crate::pipeline::JobOptions;

    #[test]
    fn each_job_has_a_decision_and_its_reason() {
        let (push, manual) = (Need::Source(Source::Push), Need::Source(Source::Manual));
        let job = |id: &str, needs: Vec<Need>, when: When| Job {
            id: JobId::parse(id).unwrap(),
            needs,
            options: JobOptions { when, ..JobOptions::default() },
        };
        let jobs = vec![
            job("lint", vec![push.clone()], When::Passed),
            job("test", vec![Need::Job(0)], When::Passed),
            job("ship", vec![Need::Job(0), Need::Job(1), push], When::Passed),
            job("clean", vec![Need::Job(2)], When::Always),
            job("alarm", vec![Need::Job(1), Need::Job(2)], When::Failed),
            job("deploy", vec![manual.clone()], When::Passed),
            job("smoke", vec![Need::Job(5)], When::Passed),
            job("backup", vec![manual], When::Passed),
        ];
        let graph = JobGraph { jobs };
        let plan = |start: Start| {
            let plan = graph.plan(&start).into_iter().map(|(decision, why)| format!("{decision:?}: {why}"));
            plan.collect::<Vec<_>>()
        };
        let pushed = plan(Source::Push.into());
        assert_eq!(
            pushed,
            [
                "Run: its event source fires",
                "Depends: runs when lint passes",
                "Depends: runs when all of lint, test pass",
                "Run: runs when ship ended, whatever the outcome",
                "Depends: runs when one of test, ship fails",
                "Skip: needs :quire/manual, and this event does not fire it",
                "Skip: needs deploy, which is not a part of the run",
                "Skip: needs :quire/manual, and this event does not fire it",
            ]
        );
        let root = JobId::parse("deploy").unwrap();
        let asked = plan(Start { root: Some(root), ..Start::from(Source::Manual) });
        assert_eq!(
            asked[5..],
            [
                "Run: its event source fires",
                "Depends: runs when deploy passes",
                "Skip: only deploy and what needs it is started",
            ]
        );
        assert_eq!(asked[0], "Skip: needs :quire/push, and this event does not fire it");
    }
}
