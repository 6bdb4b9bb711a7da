//! What is wrong with a remote, read from what git says.

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// Nobody answers, or not in time.
    Unreachable,
    /// There is no such repository.
    Gone,
    /// The remote, or ssh's own caution, does not let quire in.
    Denied,
    /// It sends more than quire takes.
    TooMuch,
    /// quire does not go there.
    Refused,
    /// Anything else.
    Failed,
    /// The server is on its way out; nothing is wrong with the remote.
    Stopped,
}

/// What is wrong with a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Trouble {
    /// What kind of trouble it is.
    pub kind: TroubleKind,
    /// One line for people.
    pub text: String,
}

/// The longest line for people, in characters.
const MAX_TEXT: usize = 300;

/// What git says of those who do not let it in.
const DENIED: [&str; 9] = [
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "Permission denied",
    "Host key verification failed",
    "returned error: 401",
    "returned error: 403",
    "dubious ownership",
    "access denied",
];

/// What git says of repositories that are not there.
const GONE: [&str; 4] =
    ["not found", "does not appear to be a git repository", "does not exist", "returned error: 410"];

/// What git, curl and ssh say of machines that do not answer.
const UNREACHABLE: [&str; 14] = [
    "Could not resolve",
    "Failed to connect",
    "Couldn't connect",
    "Could not connect",
    "Connection refused",
    "Connection reset",
    "Connection closed",
    "timed out",
    "Timeout",
    "Network is unreachable",
    "No route to host",
    "Operation too slow",
    "returned error: 5",
    "early EOF",
];

/// Lines that say nothing about the trouble.
const EMPTY: [&str; 4] = [
    "Please make sure you have the correct access rights",
    "and the repository exists.",
    "fatal: Could not read from remote repository.",
    "fatal: fetch-pack: invalid index-pack output",
];

impl Trouble {
    /// Trouble with a text of quire's own.
    pub(crate) fn new(kind: TroubleKind, text: impl Into<String>) -> Trouble {
        Trouble { kind, text: text.into() }
    }

    /// Reads what git complains of, in English.
    pub(crate) fn parse(stderr: &str) -> Trouble {
        let has = |signs: &[&str]| signs.iter().any(|sign| stderr.contains(sign));
        let kind = if has(&DENIED) {
            TroubleKind::Denied
        } else if has(&GONE) {
            TroubleKind::Gone
        } else if has(&UNREACHABLE) {
            TroubleKind::Unreachable
        } else {
            TroubleKind::Failed
        };
        Trouble { kind, text: summary(stderr) }
    }
}

/// The lines that say something, as one.
fn summary(stderr: &str) -> String {
    let lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !EMPTY.contains(line));
    let text = lines.take(3).collect::<Vec<_>>().join("; ");
    let text = if text.is_empty() { stderr.replace('\n', "; ") } else { text };
    let text = if text.is_empty() { "git failed without a word".to_owned() } else { text };
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_told_apart() {
        for (stderr, kind) in [
            ("fatal: repository 'https://h/x/' not found", TroubleKind::Gone),
            ("remote: Repository not found.\nfatal: repository 'https://h/x/' not found", TroubleKind::Gone),
            (
                "fatal: '/x' does not appear to be a git repository\nfatal: Could not read from remote repository.",
                TroubleKind::Gone,
            ),
            (
                "fatal: could not read Username for 'https://h': terminal prompts disabled",
                TroubleKind::Denied,
            ),
            ("fatal: Authentication failed for 'https://h/x/'", TroubleKind::Denied),
            (
                "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.",
                TroubleKind::Denied,
            ),
            (
                "Host key verification failed.\nfatal: Could not read from remote repository.",
                TroubleKind::Denied,
            ),
            ("fatal: unable to access 'https://h/x/': Could not resolve host: h", TroubleKind::Unreachable),
            ("ssh: connect to host h port 22: Connection refused", TroubleKind::Unreachable),
            (
                "fatal: unable to access 'https://h/': The requested URL returned error: 502",
                TroubleKind::Unreachable,
            ),
            (
                "fatal: unable to access 'https://h/': The requested URL returned error: 302",
                TroubleKind::Failed,
            ),
            ("", TroubleKind::Failed),
        ] {
            assert_eq!(Trouble::parse(stderr).kind, kind, "{stderr}");
        }
    }

    #[test]
    fn the_text_is_one_short_line() {
        let said = "git@h: Permission denied (publickey).\r\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.";
        assert_eq!(Trouble::parse(said).text, "git@h: Permission denied (publickey).");
        assert_eq!(Trouble::parse("a\u{1b}[31m\u{7}b").text, "a[31mb");
        assert_eq!(Trouble::parse(&"x".repeat(500)).text.len(), MAX_TEXT);
    }
}
