//! What protected refs refuse, whoever pushes: a deletion, a rewritten history, and a commit whose required jobs have not passed.

use crate::event::RefUpdate;
use crate::model::{CommitId, JobId, ProtectedRule, Quoted, RefKind, RefName, RepoName, rules_for};

/// What has to be looked up of a repository and its runs.
pub(super) trait Evidence {
    /// Whether a commit contains another.
    fn contains(&mut self, new: CommitId, old: CommitId) -> Result<bool, String>;
    /// Whether a job has passed in a finished run of a commit on another ref.
    fn has_passed(&mut self, job: &JobId, commit: CommitId, not_on: &RefName) -> Result<bool, String>;
}

/// Why updates of a repository are refused, in one line; nothing when none of them moves a protected ref, or all may.
pub(super) fn refusal(
    rules: &[ProtectedRule],
    repo: &RepoName,
    updates: &[RefUpdate],
    evidence: &mut dyn Evidence,
) -> Option<String> {
    updates.iter().find_map(|update| {
        let mut rules = rules_for(rules, repo, &update.ref_name).peekable();
        rules.peek()?;
        let why = match judge(update, rules, evidence) {
            Ok(why) => why?,
            Err(problem) => format!("this push could not be checked: {problem}"),
        };
        Some(format!("{} is protected: {why}", Quoted::new(&update.ref_name.short())))
    })
}

/// Why one update is refused.
fn judge<'a>(
    update: &RefUpdate,
    rules: impl Iterator<Item = &'a ProtectedRule>,
    evidence: &mut dyn Evidence,
) -> Result<Option<String>, String> {
    let RefUpdate { ref_name, old, new } = update;
    if new.is_zero() {
        return Ok(Some("it cannot be deleted".to_owned()));
    }
    if !old.is_zero() && ref_name.kind() == RefKind::Tag {
        return Ok(Some("a tag is never moved".to_owned()));
    }
    if !old.is_zero() && !evidence.contains(*new, *old)? {
        return Ok(Some(format!(
            "{} does not contain {}, and its history is not rewritten",
            new.short(),
            old.short()
        )));
    }
    for job in rules.flat_map(|rule| &rule.required_jobs) {
        if !evidence.has_passed(job, *new, ref_name)? {
            let job = job.as_str();
            return Ok(Some(format!(
                "the job `{job}` has not passed for {}; push it to another branch first, and here when its run has passed",
                new.short()
            )));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RefPattern, RepoPattern};

    /// Commits contain those of a lower first digit; the job `test` has passed for the listed ones.
    struct Facts(Vec<CommitId>);

    impl Evidence for Facts {
        fn contains(&mut self, new: CommitId, old: CommitId) -> Result<bool, String> {
            Ok(new.to_string() > old.to_string())
        }

        fn has_passed(&mut self, job: &JobId, commit: CommitId, _: &RefName) -> Result<bool, String> {
            if job.as_str() == "lost" {
                Err("the database is gone".to_owned())
            } else {
                Ok(self.0.contains(&commit))
            }
        }
    }

    #[test]
    fn a_protected_ref_moves_forward_to_commits_whose_jobs_have_passed() {
        let id = |digit: &str| CommitId::parse(&digit.repeat(40)).unwrap();
        let rule = |refs: &str, jobs: &[&str]| ProtectedRule {
            repos: vec![RepoPattern::parse("app").unwrap()],
            refs: vec![RefPattern::parse(refs).unwrap()],
            required_jobs: jobs.iter().map(|job| JobId::parse(job).unwrap()).collect(),
        };
        let rules = [
            rule("refs/heads/main", &["test"]),
            rule("refs/tags/*", &[]),
            rule("refs/heads/lost", &["lost"]),
        ];
        let said = |repo: &str, ref_name: &str, (old, new): (&str, &str)| {
            let ref_name = RefName::parse(ref_name.as_bytes()).unwrap();
            let update = RefUpdate { ref_name, old: id(old), new: id(new) };
            let mut facts = Facts(vec![id("2"), id("3")]);
            refusal(&rules, &RepoName::parse(repo).unwrap(), &[update], &mut facts).unwrap_or_default()
        };
        for (repo, name, ids, expected) in [
            ("app", "refs/heads/main", ("1", "2"), ""),
            ("app", "refs/heads/main", ("0", "3"), ""),
            ("app", "refs/heads/other", ("3", "0"), ""),
            ("other", "refs/heads/main", ("3", "1"), ""),
            ("app", "refs/tags/v1", ("0", "1"), ""),
            ("app", "refs/heads/main", ("1", "0"), "`main` is protected: it cannot be deleted"),
            ("app", "refs/heads/main", ("3", "2"), "`main` is protected: 2222222 does not contain 3333333"),
            (
                "app",
                "refs/heads/main",
                ("1", "4"),
                "`main` is protected: the job `test` has not passed for 4444444",
            ),
            ("app", "refs/heads/main", ("0", "4"), "`main` is protected: the job `test` has not passed"),
            ("app", "refs/tags/v1", ("1", "2"), "`v1` is protected: a tag is never moved"),
            ("app", "refs/heads/lost", ("1", "2"), "`lost` is protected: this push could not be checked"),
        ] {
            let said = said(repo, name, ids);
            assert!(
                said.starts_with(expected) && said.is_empty() == expected.is_empty(),
                "{name} {ids:?}: {said}"
            );
            assert!(!said.contains('\n'));
        }
    }
}
