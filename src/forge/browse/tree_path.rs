//! The path of a file or folder in a commit.

use std::fmt;

use crate::model::Quoted;

/// The longest path, in bytes.
const MAX_PATH: usize = 4096;

/// A path from the root of a commit: bytes, because git does not ask for UTF-8. Without empty parts, `.`, `..` and NUL; the
/// root itself is empty.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TreePath(Vec<u8>);

impl TreePath {
    /// Reads a path; nothing when it cannot be one. A slash at its end is dropped.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
        let fits = |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
        let is_path =
            bytes.is_empty() || bytes.len() <= MAX_PATH && bytes.split(|byte| *byte == b'/').all(fits);
        is_path.then(|| Self(bytes.to_vec()))
    }

    /// The path of an entry of this folder.
    #[must_use]
    pub(crate) fn join(&self, name: &[u8]) -> Self {
        let separator: &[u8] = if self.is_root() { b"" } else { b"/" };
        Self([&self.0, separator, name].concat())
    }

    /// The folder that it is in, and its name there; nothing for the root.
    pub(crate) fn split(&self) -> Option<(Self, &[u8])> {
        if self.is_root() {
            return None;
        }
        let at = self.0.iter().rposition(|byte| *byte == b'/');
        let folder = at.and_then(|at| self.0.get(..at)).unwrap_or_default();
        let name = at.map_or(self.0.as_slice(), |at| self.0.get(at + 1..).unwrap_or_default());
        Some((Self(folder.to_vec()), name))
    }

    /// Whether it is the root.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its parts.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// The path for a message.
    pub(super) fn quoted(&self) -> Quoted {
        Quoted::new(&self.to_string())
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_commit() {
        for good in [b"".as_slice(), b"a", b"a/b/", b"-x", b" ", b"a\nb", b"\xff", b"...", b"a\\..\\b"] {
            assert!(TreePath::parse(good).is_some(), "{good:?}");
        }
        for wrong in [b"/a".as_slice(), b"a//b", b"..", b"a/../b", b"./a", b"a\0b", b"a/b//", &[b'a'; 5000]] {
            assert!(TreePath::parse(wrong).is_none(), "{wrong:?}");
        }
        let path = TreePath::parse(b"a/b").unwrap();
        assert_eq!(path.split(), Some((TreePath::parse(b"a").unwrap(), b"b".as_slice())));
        assert_eq!(path.join(b"c").as_bytes(), b"a/b/c");
        assert_eq!(TreePath::default().join(b"c").split(), Some((TreePath::default(), b"c".as_slice())));
        assert_eq!(TreePath::default().split(), None);
    }
}
