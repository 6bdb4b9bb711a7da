//! `:watch` of `config.fnl`: branches of repositories that quire does not host.

use std::time::Duration;

use crate::model::{BranchName, Diagnostic, RemoteUrl, RepoName, SecretName, UrlScheme, suggest};
use crate::schema::settings::{WATCH, WORKSPACE};
use crate::schema::{Fields, Node};

/// How often a branch is looked at when nothing else is said.
pub(crate) const DEFAULT_EVERY: Duration = Duration::from_secs(60);

/// The shortest time between two looks.
const MIN_EVERY: Duration = Duration::from_secs(1);

/// The longest time between two looks.
const MAX_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);

/// The most watches that there can be.
pub(crate) const MAX_WATCHES: usize = 1000;

/// A branch of a repository elsewhere that is looked at again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchDecl {
    /// What it is called: the name of its repository here.
    pub(crate) name: RepoName,
    /// Where the repository is.
    pub(crate) url: RemoteUrl,
    pub(crate) branch: BranchName,
    /// The time between two looks.
    pub(crate) every: Duration,
    /// Whether the machine may have an address that is not public.
    pub(crate) allow_private: bool,
    /// The secret that is shown to the remote.
    pub(crate) token: Option<SecretName>,
    /// The private key for ssh.
    pub(crate) ssh_key: Option<SshKey>,
    /// The program that git asks for credentials over http, as its `credential.helper`.
    pub(crate) credential_helper: Option<String>,
    /// Whether the first sight of the branch runs; otherwise it is only recorded.
    pub(crate) first_run: bool,
    /// How its runs are executed.
    pub(crate) runs: WatchRuns,
}

/// How the runs of a watch are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatchRuns {
    /// Whether the working folder stays for the next run.
    pub(crate) keeps_workspace: bool,
    /// Whether a newer commit stops jobs that do not say.
    pub(crate) interruptible: bool,
}

impl Default for WatchRuns {
    fn default() -> Self {
        Self { keeps_workspace: false, interruptible: true }
    }
}

/// The path of a private key for ssh: absolute, or below `~/`, the home of the server's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SshKey(String);

/// A text that is not the path of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path of a key must be absolute, or begin with `~/`, and have no control characters")]
pub(crate) struct SshKeyError;

impl SshKey {
    /// Parses a path.
    ///
    /// # Errors
    /// The path is relative, or has control characters.
    pub(crate) fn parse(text: &str) -> Result<Self, SshKeyError> {
        let is_complete = text.starts_with('/') || text.starts_with("~/");
        (is_complete && !text.contains(char::is_control)).then(|| Self(text.to_owned())).ok_or(SshKeyError)
    }

    /// The path as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl WatchDecl {
    /// What is wrong with the watch as a whole: the message, and a hint.
    pub(crate) fn mistake(&self) -> Option<(String, &'static str)> {
        if self.ssh_key.is_some() && self.url.scheme() != UrlScheme::Ssh {
            return Some((
                "a key is for ssh only".to_owned(),
                "write the address as user@host:path or ssh://…, or leave the key out",
            ));
        }
        if self.credential_helper.is_some() && self.token.is_some() {
            return Some((
                "a token and a credential helper exclude each other".to_owned(),
                "leave one of them out",
            ));
        }
        if self.credential_helper.is_some()
            && !matches!(self.url.scheme(), UrlScheme::Https | UrlScheme::Http)
        {
            return Some(("a credential helper is for https:// only".to_owned(), "leave it out"));
        }
        self.token.as_ref()?;
        match self.url.scheme() {
            UrlScheme::Https => None,
            UrlScheme::Http if self.url.is_loopback() => None,
            UrlScheme::Http => Some(("a token is not sent over http".to_owned(), "use https://")),
            UrlScheme::Ssh | UrlScheme::File => Some((
                "a token is for https:// only".to_owned(),
                "ssh takes its keys from ssh_config in the data folder, or from the account of the server",
            )),
        }
    }

    /// What the operator is warned of.
    pub(crate) fn warning(&self) -> Option<String> {
        let is_open = self.url.scheme() == UrlScheme::Http && !self.url.is_loopback();
        is_open.then(|| format!("{}: nothing protects what comes over http; use https://", self.url))
    }
}

/// Checks the time between two looks.
///
/// # Errors
/// Says which times are possible.
pub(crate) fn check_every(every: Duration) -> Result<Duration, String> {
    if (MIN_EVERY..=MAX_EVERY).contains(&every) {
        Ok(every)
    } else {
        Err("the interval must be between 1 s and 7 d".to_owned())
    }
}

/// Reads `:watch`.
pub(super) fn read(config: &Fields<'_>) -> Vec<WatchDecl> {
    let pairs = config.entries("watch");
    if let (true, Some(table)) = (pairs.len() > MAX_WATCHES, config.get("watch")) {
        let wrong = table.error(format!("these are more than {MAX_WATCHES} watches"));
        config.mistakes().note(wrong);
    }
    let mut watches: Vec<WatchDecl> = Vec::new();
    for (key, value) in pairs {
        let Some(watch) = self::watch(config, key, value) else { continue };
        if watches.iter().any(|other| other.name == watch.name) {
            config.mistakes().note(key.error(format!("`{}` is watched twice", watch.name)));
            continue;
        }
        watches.push(watch);
    }
    watches
}

fn watch(config: &Fields<'_>, key: &Node, table: &Node) -> Option<WatchDecl> {
    let name = config.value("watch", key.parse(RepoName::parse));
    let mistakes = config.mistakes().count();
    let fields = config.inner(table, WATCH.of, &WATCH)?;
    let url = fields.read("url", address);
    let branch = fields.parse("branch", BranchName::parse);
    let every = fields.read("every", time).unwrap_or(DEFAULT_EVERY);
    let token = fields.read("token", secret_name);
    let allow_private = fields.flag("allow-private").unwrap_or_default();
    let ssh_key = fields.parse("ssh-key", SshKey::parse);
    let credential_helper = fields.read("credential-helper", helper);
    let first_run = fields.flag("first-run").unwrap_or(true);
    let interruptible = fields.flag("interruptible").unwrap_or(true);
    let workspace = fields.get("workspace").and_then(|node| fields.inner(node, WORKSPACE.of, &WORKSPACE));
    let keeps_workspace = workspace.and_then(|workspace| workspace.flag("keep")).unwrap_or_default();
    let runs = WatchRuns { keeps_workspace, interruptible };
    for missing in ["url", "branch"].into_iter().filter(|key| fields.get(key).is_none()) {
        let help = "write {:url \"https://…\" :branch \"main\"}";
        fields.refuse(format!("this watch has no `:{missing}`"), help);
    }
    if let Some(name) = &token {
        check_declared(config, &fields, name);
    }
    if config.mistakes().count() > mistakes {
        return None;
    }
    let (name, url, branch) = (name?, url?, branch?);
    let watch = WatchDecl {
        name,
        url,
        branch,
        every,
        allow_private,
        token,
        ssh_key,
        credential_helper,
        first_run,
        runs,
    };
    if let Some((problem, help)) = watch.mistake() {
        let key = match (&watch.ssh_key, &watch.credential_helper) {
            (Some(_), _) => "ssh-key",
            (None, Some(_)) => "credential-helper",
            (None, None) => "token",
        };
        fields.read(key, |node| Err::<(), _>(node.error(problem).help(help)));
        return None;
    }
    Some(watch)
}

/// Checks that a token is a declared secret, with a good value or not.
fn check_declared(config: &Fields<'_>, watch: &Fields<'_>, name: &SecretName) {
    let secrets = config.get("secrets").and_then(|table| table.as_table().ok()).unwrap_or_default();
    let mut names = secrets.iter().filter_map(|(key, _)| key.as_str().ok());
    if names.clone().any(|other| other == name.as_str()) {
        return;
    }
    watch.read("token", |token| {
        let problem = token.error(format!("no secret is called `{name}`"));
        Err::<(), _>(match suggest(name.as_str(), &mut names) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!(":secrets {{:{name} {{:file \"/path\"}}}} declares it")),
        })
    });
}

/// The same mistakes, none of which shows a line with an address that may have a password in it.
pub(super) fn without_passwords(config: &Node, mut wrong: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let pairs = config.get("watch").and_then(|table| table.as_table().ok()).unwrap_or_default();
    let urls = pairs.iter().filter_map(|(_, watch)| watch.get("url"));
    let hidden: Vec<u32> =
        urls.filter(|url| url.as_str().is_ok_and(may_hold_password)).map(Node::line).collect();
    for wrong in wrong.iter_mut().filter(|wrong| wrong.span.is_some_and(|span| hidden.contains(&span.line))) {
        wrong.source_line = None;
    }
    wrong
}

/// Whether a text that is not a good address may have a password in it.
fn may_hold_password(text: &str) -> bool {
    RemoteUrl::parse(text).is_err() && text.contains(['@', '?', '#'])
}

pub(super) fn address(node: &Node) -> Result<RemoteUrl, Diagnostic> {
    RemoteUrl::parse(node.as_str()?).map_err(|error| node.error(error.to_string()).help(error.hint))
}

fn secret_name(node: &Node) -> Result<SecretName, Diagnostic> {
    SecretName::parse(node.as_str()?).map_err(|error| {
        node.error(error.to_string()).help("this is the name of a secret; its value belongs in `:secrets`")
    })
}

fn helper(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    if text.trim().is_empty() || text.contains(char::is_control) {
        return Err(node
            .error("a credential helper is a command as git's `credential.helper` has it")
            .help("write such as \"store --file /run/secrets/git\" or \"!gh auth git-credential\""));
    }
    Ok(text.to_owned())
}

fn time(node: &Node) -> Result<Duration, Diagnostic> {
    check_every(node.as_duration()?).map_err(|problem| node.error(problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    #[test]
    fn a_watch_is_read() {
        let text = r#"{:watch {"linux" {:url "https://example.org/linux.git" :branch "master" :every "5m" :token "t"}
                               "g/local" {:url "/srv/x" :branch "main" :allow-private true}}
                       :secrets {:t "tok-123456"}}"#;
        let watches = read(text.as_bytes()).unwrap().watches;
        assert_eq!(watches.len(), 2);
        assert_eq!((watches[0].name.as_str(), watches[0].every), ("linux", Duration::from_secs(300)));
        assert_eq!(watches[0].token.as_ref().unwrap().as_str(), "t");
        assert_eq!((watches[1].every, watches[1].allow_private), (DEFAULT_EVERY, true));
    }

    #[test]
    fn all_mistakes_of_watches_are_found_at_once() {
        let text = r#"{:watch {"-x" {:url "https://h/x" :branch "main"}
          "a" {:url "git://h/x" :branch "a b" :every "0s" :tokn "t"}
          "b" {:branch "main"}
          "c" {:url "https://u:hunter22@h/x" :branch "--x"}
          "d" {:url "ssh://h/x" :branch "main" :token "t"}
          "e" {:url "https://h/x" :branch "main" :token "tt"}
          "f" {:url "http://h/x" :branch "main" :token "t"}
          "g" {:url "/x" :branch "main" :every "500ms"}
          "h" {:url "https://h/x" :branch "main" :token "t" :credential-helper "store"}
          "i" {:url "/x" :branch "main" :credential-helper "store"}
          "j" {:url "https://h/x" :branch "main" :credential-helper " "}}
          :secrets {:t "tok-123456"}}"#;
        let wrong = read(text.as_bytes()).unwrap_err();
        let shown: Vec<String> =
            wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect();
        assert_eq!(
            shown,
            [
                "config.fnl:1:10: `-x`: a part of a name must not begin with '-'",
                "config.fnl:2:21: `git://` is not supported",
                "config.fnl:2:41: `a b` is not the name of a branch: spaces, control characters and ~ ^ : ? * [ \\ are not allowed",
                "config.fnl:2:54: a duration must be more than 0 and at most 100 years",
                "config.fnl:2:59: unknown option `:tokn` of a watch",
                "config.fnl:3:15: this watch has no `:url`",
                "config.fnl:4:21: an http address must not contain a user or password",
                "config.fnl:4:54: `--x` is not the name of a branch: it must not begin with `-`",
                "config.fnl:5:55: a token is for https:// only",
                "config.fnl:6:57: no secret is called `tt`",
                "config.fnl:7:56: a token is not sent over http",
                "config.fnl:8:48: the interval must be between 1 s and 7 d",
                "config.fnl:9:80: a token and a credential helper exclude each other",
                "config.fnl:10:60: a credential helper is for https:// only",
                "config.fnl:11:69: a credential helper is a command as git's `credential.helper` has it",
            ]
        );
    }
}
