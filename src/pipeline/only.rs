//! The part of a run that a push asks for: some jobs and all that they need, and what is said of names that start nothing.

use std::collections::BTreeSet;

use super::graph::{Job, JobGraph, Need};
use super::plan::Decision;
use crate::event::{ONLY_OPTION, Start};
use crate::model::{Diagnostic, JobId, Severity, escape_controls, first_of, suggest};

/// The most jobs that a hint names.
const MAX_NAMES: usize = 8;

impl JobGraph {
    /// Of jobs that are started, those with one of these names and what they need.
    pub(super) fn keep_only(&self, is_started: &mut [bool], only: &BTreeSet<String>) {
        let mut is_kept = vec![false; self.jobs.len()];
        let mut waiting: Vec<usize> = Vec::new();
        for (index, (job, started)) in self.jobs.iter().zip(&*is_started).enumerate() {
            if *started && only.contains(job.id.as_str()) {
                waiting.push(index);
            }
        }
        while let Some(index) = waiting.pop() {
            let Some(kept) = is_kept.get_mut(index).filter(|kept| !**kept) else { continue };
            *kept = true;
            waiting.extend(self.jobs.get(index).into_iter().flat_map(|job| &job.needs).filter_map(|need| {
                match need {
                    Need::Job(needed) => Some(*needed),
                    Need::Source(_) => None,
                }
            }));
        }
        for (started, kept) in is_started.iter_mut().zip(is_kept) {
            *started &= kept;
        }
    }

    /// A warning about each name that a push asks for and that starts no job.
    pub(crate) fn unstarted_names(&self, start: &Start) -> Vec<Diagnostic> {
        let Some(only) = &start.only else { return Vec::new() };
        let plan = self.plan(&Start { only: None, ..start.clone() });
        let warning = |name: &String| {
            let planned = self.jobs.iter().zip(&plan).find(|(job, _)| job.id.as_str() == name);
            let (message, help) = match planned {
                Some((_, (Decision::Run | Decision::Depends, _))) => return None,
                Some((job, (Decision::Skip, why))) => (format!("`{}` is not started: {why}", job.id), None),
                None => self.unknown(name),
            };
            let option = format!("{ONLY_OPTION}{}", escape_controls(name));
            let warning = Diagnostic { severity: Severity::Warning, ..Diagnostic::error(option, message) };
            Some(help.map_or(warning.clone(), |help| warning.help(help)))
        };
        only.iter().filter_map(warning).collect()
    }

    /// What is said of a name that no job has, and what helps.
    fn unknown(&self, name: &str) -> (String, Option<String>) {
        let ids = || self.jobs.iter().map(|job: &Job| job.id.as_str());
        let help = match suggest(name, ids()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its jobs are {}", first_of(ids().collect::<Vec<_>>().iter(), MAX_NAMES)),
        };
        let message = match JobId::parse(name) {
            Ok(id) => format!("the pipeline has no job `{id}`"),
            Err(_) => "this is not the name of a job; each `ci.only` names one".to_owned(),
        };
        (message, Some(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Source;
    use crate::pipeline::JobOptions;

    fn graph() -> JobGraph {
        let job = |id: &str, needs: Vec<Need>| Job {
            id: JobId::parse(id).unwrap(),
            needs,
            options: JobOptions::default(),
        };
        let (push, manual) = (Need::Source(Source::Push), Need::Source(Source::Manual));
        JobGraph {
            jobs: vec![
                job("ship", vec![Need::Job(2), Need::Job(1)]),
                job("docs", vec![push.clone()]),
                job("test", vec![Need::Job(3)]),
                job("build", vec![push]),
                job("deploy", vec![manual]),
            ],
        }
    }

    fn start(only: &[&str]) -> Start {
        let only = Some(only.iter().map(|name| (*name).to_owned()).collect());
        Start { only, ..Start::from(Source::Push) }
    }

    #[test]
    fn a_named_job_starts_with_what_it_needs_and_no_other() {
        let started = |only: &[&str]| {
            let part = graph().started_by(&start(only));
            let line = |job: &Job| format!("{}: {}", job.id, part.need_names(job).join(" "));
            part.jobs().iter().map(line).collect::<Vec<_>>()
        };
        assert_eq!(started(&["test"]), ["test: build", "build: quire/push"]);
        assert_eq!(started(&["docs", "build"]), ["docs: quire/push", "build: quire/push"]);
        assert_eq!(started(&["ship", "test"]).len(), 4);
        for none in [&["deploy"][..], &["tset"], &[""], &[]] {
            assert!(started(none).is_empty(), "{none:?}");
        }
    }

    #[test]
    fn names_that_start_nothing_are_warned_about() {
        let warned = |only: &[&str]| {
            let warnings = graph().unstarted_names(&start(only)).into_iter().map(|warning| warning.render());
            warnings.collect::<String>()
        };
        assert_eq!(warned(&["test", "ship"]), "");
        assert_eq!(
            warned(&["tset", "build"]),
            "warning: ci.only=tset: the pipeline has no job `tset`\nhint: did you mean `test`?\n"
        );
        assert_eq!(
            warned(&["deploy"]),
            "warning: ci.only=deploy: `deploy` is not started: needs :quire/manual, and this event does not fire it\n"
        );
        assert_eq!(
            warned(&["build,test\n"]),
            "warning: ci.only=build,test\\n: this is not the name of a job; each `ci.only` names one\n\
             hint: its jobs are ship, docs, test, build, deploy\n"
        );
        assert!(warned(&["lint"]).ends_with("hint: its jobs are ship, docs, test, build, deploy\n"));
    }
}
