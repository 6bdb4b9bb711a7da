//! The full name of a git ref. Git accepts nearly any bytes in one, so it is never trusted in a path, an
//! argument list or a page.

use std::fmt;

use super::Quoted;

/// The kind of a ref, by its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefKind {
    /// Below `refs/heads/`.
    Branch,
    /// Below `refs/tags/`.
    Tag,
    /// Anywhere else.
    Other,
}

/// The full name of a ref, such as `refs/heads/main`. Bytes, because git does not ask for UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName(Vec<u8>);

/// Why bytes are not the name of a ref.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not the full name of a ref: it must begin with `refs/`, without empty parts, `..` or control characters"
)]
pub struct RefNameError(Quoted);

/// The longest ref name, in bytes; git's own limit is the file system's.
const MAX_LENGTH: usize = 4096;

impl RefName {
    /// Reads the full name of a ref.
    ///
    /// Checks what quire relies on: the `refs/` prefix, no empty part, no part that is `.` or `..` or ends in
    /// `.lock`, no control characters. Git has checked the rest.
    ///
    /// # Errors
    /// The expected form.
    pub fn parse(bytes: &[u8]) -> Result<Self, RefNameError> {
        let parts_fit = bytes
            .split(|byte| *byte == b'/')
            .all(|part| !part.is_empty() && part != b"." && part != b".." && !part.ends_with(b".lock"));
        let fits = bytes.starts_with(b"refs/")
            && bytes.len() <= MAX_LENGTH
            && parts_fit
            && !bytes.iter().any(u8::is_ascii_control);
        if fits {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(RefNameError(Quoted::new(&String::from_utf8_lossy(bytes))))
        }
    }

    /// The bytes of the name.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the ref is, by its namespace.
    pub(crate) fn kind(&self) -> RefKind {
        if self.0.starts_with(b"refs/heads/") {
            RefKind::Branch
        } else if self.0.starts_with(b"refs/tags/") {
            RefKind::Tag
        } else {
            RefKind::Other
        }
    }

    /// The name without `refs/heads/` or `refs/tags/`; bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn short(&self) -> String {
        let full = self.to_string();
        full.strip_prefix("refs/heads/")
            .or_else(|| full.strip_prefix("refs/tags/"))
            .unwrap_or(&full)
            .to_owned()
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_accepts_is_accepted() {
        for name in [
            "refs/heads/main",
            "refs/heads/-x",
            "refs/tags/$(id)",
            "refs/heads/a;b",
            "refs/x/y",
            "refs/stash",
        ] {
            assert_eq!(RefName::parse(name.as_bytes()).unwrap().to_string(), name);
        }
        assert!(RefName::parse(b"refs/heads/\xff\xfe").is_ok());
    }

    #[test]
    fn what_would_leave_the_folder_is_refused() {
        for name in [
            "main",
            "HEAD",
            "refs/",
            "refs//x",
            "refs/heads/../x",
            "refs/heads/x.lock",
            "refs/heads/a\nb",
            "",
        ] {
            assert!(RefName::parse(name.as_bytes()).is_err(), "{name}");
        }
        assert!(RefName::parse(&[b"refs/heads/".as_slice(), &[b'a'; 5000]].concat()).is_err());
    }

    #[test]
    fn short_names_and_kinds() {
        let branch = RefName::parse(b"refs/heads/topic/x").unwrap();
        assert_eq!((branch.kind(), branch.short()), (RefKind::Branch, "topic/x".to_owned()));
        let notes = RefName::parse(b"refs/notes/commits").unwrap();
        assert_eq!((notes.kind(), notes.short()), (RefKind::Other, "refs/notes/commits".to_owned()));
    }
}
