//! What a caller of the HTTP interface may do.

/// What a token, a session or a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// See repositories.
    ReposRead,
    /// Make, change and remove them.
    ReposWrite,
    /// See runs.
    RunsRead,
    /// Start, cancel and repeat them.
    RunsWrite,
    /// Read their logs.
    LogsRead,
    /// See the names of secrets.
    SecretsRead,
    /// See watched remotes and other sources.
    SourcesRead,
    /// Add, change and remove them.
    SourcesWrite,
    /// See and change what belongs to the operator.
    Admin,
}

impl Scope {
    /// All scopes.
    pub(crate) const ALL: [Self; 9] = [
        Self::ReposRead,
        Self::ReposWrite,
        Self::RunsRead,
        Self::RunsWrite,
        Self::LogsRead,
        Self::SecretsRead,
        Self::SourcesRead,
        Self::SourcesWrite,
        Self::Admin,
    ];

    /// The word of the scope.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ReposRead => "repos:read",
            Self::ReposWrite => "repos:write",
            Self::RunsRead => "runs:read",
            Self::RunsWrite => "runs:write",
            Self::LogsRead => "logs:read",
            Self::SecretsRead => "secrets:read",
            Self::SourcesRead => "sources:read",
            Self::SourcesWrite => "sources:write",
            Self::Admin => "admin",
        }
    }

    /// The scope of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_its_word() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(Scope::parse("runs"), None);
    }
}
