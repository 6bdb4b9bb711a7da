//! Takes the path of an address apart: which repository, which of its pages, and the rest.
//!
//! Below a group, a repository that is named like a page has no pages of its own: the page of the repository that is called
//! like the group has the address. New repositories cannot get such a name.

use crate::model::{PAGE_WORDS, RepoName, percent_decoded};

/// An address below a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) repo: RepoName,
    /// One of [`PAGE_WORDS`]; empty for the repository itself.
    pub(super) page: &'static str,
    /// What follows, as it was sent: percent-encoded, without the slash before it.
    pub(super) rest: String,
}

impl Address {
    /// Reads a path. There is one path for each page: no empty parts, no encoded names, no `.git`.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let (first, after) = path.split_once('/').unwrap_or((path, ""));
        let page_of = |text: &str| {
            let (word, rest) = text.split_once('/').unwrap_or((text, ""));
            let page = PAGE_WORDS.into_iter().find(|page| *page == word)?;
            // `runs/` is not `runs`.
            (!rest.is_empty() || word.len() == text.len()).then(|| (page, rest.to_owned()))
        };
        if after.is_empty() {
            return Self::new(path, "", String::new());
        }
        if let Some((page, rest)) = page_of(after) {
            return Self::new(first, page, rest);
        }
        let (second, after) = after.split_once('/').unwrap_or((after, ""));
        let name = format!("{first}/{second}");
        if after.is_empty() {
            return (path == name).then(|| Self::new(&name, "", String::new())).flatten();
        }
        page_of(after).and_then(|(page, rest)| Self::new(&name, page, rest))
    }

    fn new(name: &str, page: &'static str, rest: String) -> Option<Self> {
        let repo = RepoName::parse(name).ok().filter(|repo| repo.as_str() == name)?;
        Some(Self { repo, page, rest })
    }

    /// The parts of the rest, decoded. A part with an encoded slash is one part.
    pub(super) fn parts(&self) -> Vec<String> {
        self.rest.split('/').map(percent_decoded).collect()
    }
}

/// A number as it is written in addresses: without a sign and without zeros before it.
pub(super) fn number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_meaning() {
        let read = |path: &str| {
            Address::parse(path).map(|address| (address.repo.to_string(), address.page, address.rest))
        };
        let is = |repo: &str, page: &'static str, rest: &str| Some((repo.to_owned(), page, rest.to_owned()));
        assert_eq!(read("/foo"), is("foo", "", ""));
        assert_eq!(read("/group/foo"), is("group/foo", "", ""));
        assert_eq!(read("/foo/runs"), is("foo", "runs", ""));
        assert_eq!(read("/group/foo/runs"), is("group/foo", "runs", ""));
        assert_eq!(read("/foo/run/1/job/test.log"), is("foo", "run", "1/job/test.log"));
        assert_eq!(read("/a/b/tree/main/run/1"), is("a/b", "tree", "main/run/1"));
        assert_eq!(read("/a/tree/b/run/1"), is("a", "tree", "b/run/1"));
        for nowhere in [
            "",
            "/",
            "foo",
            "//foo",
            "/foo/",
            "/foo//run/1",
            "/./run/1",
            "/../run/1",
            "/-/x",
            "/foo.git",
            "/f%6fo",
            "/foo/runs/",
            "/a/b/",
            "/a/b/c",
            "/a/b/c/run/1",
            "/foo.git/run/1",
            "/.x/run/1",
        ] {
            assert_eq!(read(nowhere), None, "{nowhere}");
        }
        assert_eq!(Address::parse("/a/tree/x%2Fy/z%20").unwrap().parts(), ["x/y", "z "]);
        assert_eq!((number("1"), number("01"), number("+1"), number("")), (Some(1), None, None, None));
    }
}
