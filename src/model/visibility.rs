//! Who may see a repository.

/// Who may see a repository, or the logs of its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Everybody who knows its name: it is in no list.
    Unlisted,
    /// Who was given it.
    Private,
}

impl Visibility {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Public, Self::Unlisted, Self::Private];

    /// Its word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unlisted => "unlisted",
            Self::Private => "private",
        }
    }

    /// The visibility of a word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == word)
    }
}
