//! Which ref of a repository a source follows.

use crate::model::{BranchName, CommitId, Quoted};

/// What a source follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GitRef {
    /// One commit for ever.
    Commit(CommitId),
    /// The first of these that the repository has, by their full names.
    Named(Vec<String>),
}

impl GitRef {
    /// Reads `main`, `v1`, `refs/pull/1/head`, `HEAD` or the id of a commit. Nothing that passes is an option or a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(commit) = CommitId::parse(text) {
            return Ok(Self::Commit(commit));
        }
        if text == "HEAD" {
            return Ok(Self::Named(vec![text.to_owned()]));
        }
        if text.starts_with("refs/") {
            // What is not a branch is checked by the rules of one.
            BranchName::parse(text.strip_prefix("refs/").unwrap_or(text))
                .map_err(|error| error.to_string())?;
            return Ok(Self::Named(vec![text.to_owned()]));
        }
        let name = BranchName::parse(text).map_err(|error| error.to_string())?;
        Ok(Self::Named(vec![name.full(), format!("refs/tags/{name}")]))
    }

    /// These names, in the words of a message.
    pub(super) fn shown(names: &[String]) -> String {
        match names {
            [branch, _tag] => {
                format!("branch or tag {}", Quoted::new(branch.trim_start_matches("refs/heads/")))
            }
            names => Quoted::new(&names.concat()).to_string(),
        }
    }

    /// The ref to fetch, by what `git ls-remote` lists.
    pub(super) fn choose<'a>(names: &'a [String], listed: &str) -> Option<&'a str> {
        let is_listed = |name: &str| {
            listed.lines().any(|line| line.split_once('\t').is_some_and(|(_, found)| found == name))
        };
        names.iter().map(String::as_str).find(|name| is_listed(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_come_before_tags_and_commits_are_themselves() {
        let commit = "1".repeat(40);
        assert!(matches!(GitRef::parse(&commit), Ok(GitRef::Commit(_))));
        let Ok(GitRef::Named(names)) = GitRef::parse("v1") else { panic!() };
        let listed =
            |refs: &[&str]| refs.iter().map(|name| format!("{commit}\t{name}\n")).collect::<String>();
        let both = listed(&["refs/tags/v1", "refs/heads/v1"]);
        assert_eq!(GitRef::choose(&names, &both), Some("refs/heads/v1"));
        assert_eq!(GitRef::choose(&names, &listed(&["refs/tags/v1"])), Some("refs/tags/v1"));
        assert_eq!(GitRef::choose(&names, &listed(&["refs/x/refs/heads/v1", "refs/heads/v1x"])), None);
        assert_eq!(GitRef::parse("refs/pull/1/head"), Ok(GitRef::Named(vec!["refs/pull/1/head".to_owned()])));
    }

    #[test]
    fn what_git_takes_for_something_else_is_refused() {
        for text in [
            "--upload-pack=touch /tmp/x",
            "-x",
            "",
            "a b",
            "a..b",
            "main~1",
            "main^{tree}",
            "@{-1}",
            "@",
            "*",
            "refs/heads/*",
            "refs/heads/-x:y",
            "refs/",
            "a\nb",
            "a:b",
            "refs/../x",
            "x.lock",
            "/x",
            "x/",
        ] {
            assert!(GitRef::parse(text).is_err(), "{text:?}");
        }
    }
}
