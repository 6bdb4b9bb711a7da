//! Names that no repository gets, because pages and routes of the server have their addresses.

use super::repo_name::RepoName;

/// The words behind the name of a repository in the address of one of its pages.
pub(crate) const PAGE_WORDS: [&str; 17] = [
    "tree",
    "blob",
    "raw",
    "blame",
    "log",
    "commit",
    "compare",
    "refs",
    "search",
    "archive",
    "runs",
    "run",
    "ci",
    "badge.svg",
    "commits.atom",
    "tags.atom",
    "runs.atom",
];

/// Addresses of one part that belong to the server.
const SERVER_PAGES: [&str; 9] =
    ["queue", "login", "logout", "healthz", "readyz", "metrics", "robots.txt", "feed.atom", "cc.xml"];

/// First parts of addresses that belong to the server, whatever follows.
const SERVER_FOLDERS: [&str; 2] = ["api", "problems"];

impl RepoName {
    /// What has the address of the page of a repository with this name; nothing when the address is free.
    pub(crate) fn hidden_by(&self) -> Option<&'static str> {
        let (first, second) = self.as_str().split_once('/').unwrap_or((self.as_str(), ""));
        let has = |words: &[&str], word: &str| words.contains(&word);
        if has(&SERVER_FOLDERS, first) || (second.is_empty() && has(&SERVER_PAGES, first)) {
            return Some("the server itself");
        }
        has(&PAGE_WORDS, second).then_some("a page of the repository that is named like the group")
    }

    /// A similar name, whose address is free.
    pub(crate) fn similar_name(&self) -> String {
        if self.as_str().contains('/') { self.as_str().replace('/', "-") } else { format!("{self}-repo") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_reserved_where_its_page_would_be_hidden() {
        let is_hidden = |name: &str| RepoName::parse(name).unwrap().hidden_by().is_some();
        for name in
            ["queue", "login", "cc.xml", "api", "api/v1", "problems/x", "group/runs", "a/tree", "a/badge.svg"]
        {
            assert!(is_hidden(name), "{name}");
            assert!(!is_hidden(&RepoName::parse(name).unwrap().similar_name()), "{name}");
        }
        for name in ["runs", "tree", "queue/x", "Queue", "group/queue", "runs/a", "apis", "x/logs", "quire"] {
            assert!(!is_hidden(name), "{name}");
        }
    }
}
