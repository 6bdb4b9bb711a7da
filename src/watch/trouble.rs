//! What is wrong with a remote, from git's error output.

/// The kind of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// The remote does not answer, or not in time.
    Unreachable,
    /// The repository does not exist.
    Gone,
    /// Access is denied by the remote, or by ssh's checks.
    Denied,
    /// It sends more than the limit.
    TooMuch,
    /// Quire refuses to connect to it.
    Refused,
    /// Anything else.
    Failed,
    /// The server is stopping; nothing is wrong with the remote.
    Stopped,
}

/// What is wrong with a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Trouble {
    pub(crate) kind: TroubleKind,
    /// One line for messages.
    pub(crate) text: String,
}

/// The longest line for messages, in characters.
const MAX_TEXT: usize = 300;

/// Messages of git about denied access.
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

/// Messages of git about missing repositories.
const GONE: [&str; 4] =
    ["not found", "does not appear to be a git repository", "does not exist", "returned error: 410"];

/// Messages of git, curl and ssh about machines that do not answer.
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

/// Lines without information about the problem.
const EMPTY: [&str; 4] = [
    "Please make sure you have the correct access rights",
    "and the repository exists.",
    "fatal: Could not read from remote repository.",
    "fatal: fetch-pack: invalid index-pack output",
];

impl Trouble {
    /// A problem with a text of quire's own.
    pub(crate) fn new(kind: TroubleKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Classifies git's error output, in English.
    pub(crate) fn parse(stderr: &str) -> Self {
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
        Self { kind, text: summary(stderr) }
    }
}

/// The lines with information, joined.
fn summary(stderr: &str) -> String {
    let lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !EMPTY.contains(line));
    let text = lines.take(3).collect::<Vec<_>>().join("; ");
    let text = if text.is_empty() { stderr.replace('\n', "; ") } else { text };
    let text = if text.is_empty() { "git failed without error output".to_owned() } else { text };
    let text = match refused_object(stderr) {
        Some(id) => {
            format!("{text}; git config fetch.fsck.{id} ignore in the copy below watched/ accepts it")
        }
        None => text,
    };
    let mut shown: Vec<char> = text.chars().filter(|c| !c.is_control()).take(MAX_TEXT + 1).collect();
    if shown.len() > MAX_TEXT {
        shown.truncate(MAX_TEXT - 1);
        shown.push('…');
    }
    shown.into_iter().collect()
}

/// What git's check of objects found: the third part of `error: object <id>: <mistake>: <text>`.
fn refused_object(stderr: &str) -> Option<&str> {
    let line = stderr.lines().find_map(|line| line.strip_prefix("error: object "))?;
    let (_, rest) = line.split_once(": ")?;
    let (id, _) = rest.split_once(": ")?;
    id.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_errors_are_classified() {
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
        assert_eq!(Trouble::parse(&"x".repeat(500)).text.chars().count(), MAX_TEXT);
        let odd = "error: object 12ab: missingEmail: invalid author/committer line - missing email\nfatal: fsck error in packed object";
        assert!(Trouble::parse(odd).text.contains("git config fetch.fsck.missingEmail ignore"));
    }
}
