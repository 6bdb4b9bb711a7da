//! What the audit records.

/// Declares the actions and their words.
macro_rules! actions {
    ($($variant:ident $word:literal;)*) => {
        /// Something that somebody did. Its word is the same in the database, in HTTP answers and in the file of the audit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum AuditAction { $($variant),* }

        impl AuditAction {
            /// All actions.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word of the action.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

actions! {
    KeyAdd            "key.add";
    KeyRemove         "key.remove";
    LinkCreate        "login-link.create";
    NotificationRetry "notification.retry";
    PolicyDeny        "policy.deny";
    PushAccepted      "push.accepted";
    PushRefused       "push.refused";
    RefsMoved         "refs.moved";
    RepoAdopt         "repo.adopt";
    RepoCreate        "repo.create";
    RepoDelete        "repo.delete";
    RepoRename        "repo.rename";
    RepoRestore       "repo.restore";
    RepoUpdate        "repo.update";
    RunCancel         "run.cancel";
    RunCreate         "run.create";
    RunRerun          "run.rerun";
    SignIn            "sign-in";
    SignInRefused     "sign-in.refused";
    SignOut           "sign-out";
    SourceAdd         "source.add";
    SourceRemove      "source.remove";
    TokenCreate       "token.create";
    TokenRevoke       "token.revoke";
    UserAdd           "user.add";
    UserRemove        "user.remove";
    WatchCreate       "watch.create";
    WatchDelete       "watch.delete";
    WatchNow          "watch.now";
}

impl AuditAction {
    /// The action of a word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_dotted_word_of_its_own() {
        assert!(AuditAction::ALL.is_sorted_by(|one, other| one.as_str() < other.as_str()));
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::parse(action.as_str()), Some(*action));
            let is_of_word = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '-');
            assert!(action.as_str().chars().all(is_of_word), "{action:?}");
        }
        assert_eq!(AuditAction::parse("repo.deleted"), None);
    }
}
