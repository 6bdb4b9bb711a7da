//! What a caller was given: scopes, and the repositories they hold for.

use super::Scope;

/// Scopes, and the repositories they hold for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The scopes, each once, in the order of [`Scope::ALL`].
    pub scopes: Vec<Scope>,
    /// The ids of the repositories that they hold for; `None` for all.
    pub repos: Option<Vec<String>>,
}

impl Grant {
    /// Every scope for every repository.
    pub(crate) fn everything() -> Self {
        Self { scopes: Scope::ALL.to_vec(), repos: None }
    }

    /// The words of the scopes with spaces between them.
    pub(crate) fn words(&self) -> String {
        self.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The scopes of some words; the word that is none otherwise.
    ///
    /// # Errors
    /// The first word that is not a scope.
    pub(crate) fn parse_scopes<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Vec<Scope>, &'a str> {
        let mut scopes = Vec::new();
        for word in words {
            scopes.push(Scope::parse(word).ok_or(word)?);
        }
        scopes.sort_unstable();
        scopes.dedup();
        Ok(scopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_kept_once_and_in_order() {
        let scopes = Grant::parse_scopes("runs:read repos:read runs:read".split(' ')).unwrap();
        assert_eq!(Grant { scopes, repos: None }.words(), "repos:read runs:read");
        assert_eq!(Grant::parse_scopes(["repos:read", "runs", "x"]), Err("runs"));
        assert_eq!(Grant::everything().scopes.len(), Scope::ALL.len());
    }
}
