//! Decides what a ref update starts.

use crate::model::RefKind;

/// The facts about a ref update and its new value.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    /// What kind of ref it is.
    pub(crate) kind: RefKind,
    /// Whether the ref was deleted.
    pub(crate) is_deletion: bool,
    /// Whether it is the default branch.
    pub(crate) is_default_branch: bool,
    /// The object at the new value.
    pub(crate) commit: Found<'a>,
    /// The push options.
    pub(crate) options: &'a [String],
    /// Whether it is the first sight of a branch whose first sight does not run.
    pub(crate) is_first_sight: bool,
    /// How many branches and tags the push updates; without a push, how many have moved so within a minute.
    pub(crate) pushed_refs: usize,
    /// Whether a push was announced.
    pub(crate) is_announced: bool,
    /// How many of them may start runs.
    pub(crate) max_runs: usize,
    /// The runs that a ref may have within a minute, if it has had them.
    pub(crate) had_runs: Option<usize>,
}

/// The object at the new value of a ref.
#[derive(Debug, Clone)]
pub(crate) enum Found<'a> {
    Commit {
        message: &'a str,
        /// Whether it has a pipeline.
        has_pipeline: bool,
    },
    /// An object that is not a commit, such as a tag of a file.
    Other,
    /// It could not be read.
    Unreadable(String),
}

/// The consequence of a ref update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is recorded and starts nothing, for this reason.
    Record(&'static str),
    /// A run is recorded as skipped, for this reason.
    Skip(String),
    /// A run is recorded as failed, for this reason.
    Fail(String),
    /// A run is queued.
    Run,
}

/// What is recorded of an update that has a run.
pub(crate) const RUN: &str = "run";

/// Why an update is recorded and nothing runs: the commit has no pipeline.
pub(crate) const NO_PIPELINE: &str = "no pipeline";

/// The same: the branch was seen for the first time, and runs what changes.
pub(crate) const FIRST_SIGHT: &str = "first sight";

impl Decision {
    /// The word for it in the database: why nothing was started, or [`RUN`].
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Record(why) => why,
            Self::Skip(_) | Self::Fail(_) | Self::Run => RUN,
        }
    }
}

/// The marks in a commit message that skip the run, in any case.
const SKIP_MARKS: [&str; 3] = ["[skip ci]", "[ci skip]", "[no ci]"];

/// Decides what a ref update starts.
pub(crate) fn decide(facts: &Facts<'_>) -> Decision {
    if facts.is_deletion {
        return Decision::Record("deleted");
    }
    if facts.kind == RefKind::Other {
        return Decision::Record("not a branch or tag");
    }
    let message = match &facts.commit {
        Found::Unreadable(reason) => return Decision::Fail(reason.clone()),
        Found::Other => return Decision::Record("not a commit"),
        Found::Commit { has_pipeline: false, .. } => return Decision::Record(NO_PIPELINE),
        Found::Commit { message, .. } => message,
    };
    if facts.is_first_sight {
        return Decision::Record(FIRST_SIGHT);
    }
    if facts.options.iter().any(|option| option == "ci.skip") {
        return Decision::Skip("push option `ci.skip`".to_owned());
    }
    let lower = message.to_lowercase();
    if let Some(mark) = SKIP_MARKS.iter().find(|mark| lower.contains(**mark))
        && facts.kind == RefKind::Branch
    {
        return Decision::Skip(format!("the commit message contains `{mark}`"));
    }
    if facts.pushed_refs > facts.max_runs && !facts.is_default_branch {
        let (refs, max) = (facts.pushed_refs, facts.max_runs);
        return Decision::Skip(if facts.is_announced {
            format!(
                "the push updates {refs} refs, more than :runs-per-push ({max}): only the default branch runs"
            )
        } else {
            format!("more refs than :runs-per-push ({max}) have moved without a push within a minute")
        });
    }
    if let Some(max) = facts.had_runs {
        return Decision::Skip(format!(
            "the ref has had {max} runs within a minute (:limits :runs-per-minute); `quire rerun` runs this commit"
        ));
    }
    Decision::Run
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(message: &'a str, options: &'a [String]) -> Facts<'a> {
        Facts {
            kind: RefKind::Branch,
            is_deletion: false,
            is_default_branch: false,
            commit: Found::Commit { message, has_pipeline: true },
            options,
            is_first_sight: false,
            pushed_refs: 1,
            is_announced: true,
            max_runs: 10,
            had_runs: None,
        }
    }

    #[test]
    fn what_starts_nothing_is_recorded() {
        assert_eq!(decide(&facts("m", &[])), Decision::Run);
        assert_eq!(
            decide(&Facts { is_first_sight: true, ..facts("m", &[]) }),
            Decision::Record("first sight")
        );
        let none = || Found::Commit { message: "[skip ci]", has_pipeline: false };
        assert_eq!(decide(&Facts { commit: none(), ..facts("", &[]) }), Decision::Record("no pipeline"));
        assert_eq!(decide(&Facts { is_deletion: true, ..facts("", &[]) }), Decision::Record("deleted"));
        assert_eq!(
            decide(&Facts { kind: RefKind::Other, ..facts("", &[]) }),
            Decision::Record("not a branch or tag")
        );
        assert_eq!(
            decide(&Facts { commit: Found::Other, ..facts("", &[]) }),
            Decision::Record("not a commit")
        );
        let unreadable = Found::Unreadable("object missing".to_owned());
        assert_eq!(
            decide(&Facts { commit: unreadable, ..facts("", &[]) }),
            Decision::Fail("object missing".to_owned())
        );
    }

    #[test]
    fn skips() {
        let option = ["ci.skip".to_owned()];
        assert!(matches!(decide(&facts("m", &option)), Decision::Skip(_)));
        for message in ["docs [skip ci]", "x\n\n[CI Skip]", "[no ci]"] {
            assert!(matches!(decide(&facts(message, &[])), Decision::Skip(_)), "{message}");
        }
        assert_eq!(decide(&Facts { kind: RefKind::Tag, ..facts("[skip ci]", &[]) }), Decision::Run);
        assert_eq!(decide(&facts("skip ci", &[])), Decision::Run);
    }

    #[test]
    fn a_push_of_many_refs_runs_the_default_branch_only() {
        let many = Facts { pushed_refs: 11, ..facts("", &[]) };
        assert!(matches!(decide(&many), Decision::Skip(_)));
        assert_eq!(decide(&Facts { is_default_branch: true, ..many }), Decision::Run);
        assert_eq!(decide(&Facts { pushed_refs: 10, ..facts("", &[]) }), Decision::Run);
    }

    #[test]
    fn a_ref_with_too_many_runs_within_a_minute_has_no_more() {
        let skipped = decide(&Facts { had_runs: Some(60), ..facts("", &[]) });
        assert!(matches!(skipped, Decision::Skip(why) if why.contains(":runs-per-minute")));
    }
}
