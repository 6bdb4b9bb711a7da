//! Candidates of the jobs of repositories: `foo:deploy`, and the arguments that it declares at the default branch, or
//! where `--ref` or `--sha` says. A pipeline is evaluated once for each commit; what it declares is in the cache then.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Command;

use super::candidate::{Candidate, CommandLine};
use super::job::after_job;
use super::quire::{find_flag, flags, takes_value};
use crate::cli::ci::VM_MEMORY;
use crate::cli::jobs::{GivenOptions, JobOption, cache_of, split};
use crate::cli::start::repo_and_job;
use crate::config::DataDir;
use crate::event::{Event, EventKind, EventRecord, RefUpdate};
use crate::forge::{PointName, find_point};
use crate::model::{CommitId, RepoName};
use crate::pipeline::argument::ArgSpec;
use crate::run::{ManualJob, PlanOrder};
use crate::sys::clock;

/// What can follow `run` and `plan` of a repository; nothing when its jobs declare nothing, and when the words are about something
/// else.
pub(super) fn complete(
    (root, command): (&Command, &Command),
    line: &CommandLine,
    data: Option<&DataDir>,
    cwd: &Path,
) -> Option<Vec<Candidate>> {
    let data = data?;
    let (mut target, mut given, mut is_pending) = (None, Vec::new(), false);
    let mut before = Vec::new();
    let mut words = line.before.iter();
    while let Some(word) = words.next() {
        if target.is_none() && !word.starts_with('-') {
            target = Some(word.as_str());
            before = std::mem::take(&mut given);
            continue;
        }
        given.push(word.clone());
        let is_value_next = !word.contains('=') && find_flag(root, command, word).is_some_and(takes_value);
        let value = if is_value_next { words.next() } else { None };
        is_pending = is_value_next && value.is_none();
        given.extend(value.cloned());
    }
    if is_pending {
        return None;
    }
    let Some(target) = target else { return jobs(data, &line.current) };
    let (repo, job) = repo_and_job(target);
    let declared = |options: &GivenOptions| -> Option<Vec<ArgSpec>> {
        let found = known(data, repo, &point(options)?)?.into_iter();
        let found = found.filter(|found| job.is_none_or(|job| job == found.id));
        Some(found.filter_map(|job| job.arguments).flatten().collect())
    };
    // By the rule of the command: what the job declares that the options before its name choose is its own.
    let run = root.find_subcommand("run").unwrap_or(command);
    let options: Vec<JobOption<'_>> = run.get_arguments().filter_map(JobOption::of).collect();
    let (mut places, _) = split(&before, &[], &options).ok()?;
    let first = declared(&places).unwrap_or_default();
    let (behind, _) = split(&given, &first, &options).ok()?;
    let is_elsewhere = ["ref", "sha"].iter().any(|name| behind.value(name).is_some());
    places.extend(behind);
    let specs = if is_elsewhere { declared(&places)? } else { first };
    if specs.is_empty() {
        return None;
    }
    given.extend(before);
    let mut all = after_job(&specs, (&given, line), &[], cwd);
    if line.current.starts_with('-') && line.flag_inside().is_none() {
        all.extend(flags(root, command));
    }
    Some(all)
}

/// The jobs of the repository that is typed, once its name is there.
fn jobs(data: &DataDir, typed: &str) -> Option<Vec<Candidate>> {
    let repo = typed.split(':').next().unwrap_or_default();
    let candidate = |job: ManualJob| {
        let names = job.arguments.iter().flatten().map(|spec| format!("--{}", spec.name));
        let names: Vec<String> = names.collect();
        Candidate::value(format!("{repo}:{}", job.id), &names.join(" "))
    };
    let all = Some(Candidate::value(repo, "repository"));
    let all = all.into_iter().chain(known(data, repo, &PointName::Default)?.into_iter().map(candidate));
    Some(all.collect())
}

/// The commit that options choose.
fn point(options: &GivenOptions) -> Option<PointName> {
    match (options.value("sha"), options.value("ref")) {
        (Some(sha), _) => CommitId::parse(sha).ok().map(PointName::Commit),
        (None, Some(name)) => Some(PointName::Ref(name.to_owned())),
        (None, None) => Some(PointName::Default),
    }
}

/// The jobs of a commit of a repository.
fn known(data: &DataDir, repo: &str, point: &PointName) -> Option<Vec<ManualJob>> {
    let git_dir = data.repo(&RepoName::parse(repo).ok()?);
    let point = find_point(&git_dir, point).ok().filter(|_| git_dir.is_dir())?;
    let subject = RefUpdate { ref_name: point.ref_name, old: point.commit, new: point.commit };
    let kind = EventKind::Manual { job: None, args: BTreeMap::new(), secrets: Vec::new() };
    let event = Event { kind, subject: Some(subject), actor: None, at: clock::now() };
    let cache_dir = cache_of(Some(data))?.cache().join("fennel");
    let order = PlanOrder { event: EventRecord::from(&event), git_dir, cache_dir, vm_memory: VM_MEMORY };
    order.manual_jobs(point.commit).ok()?.ok()
}
