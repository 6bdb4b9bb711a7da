//! Queries a remote for its refs, and fetches one, by the system's git, which may use one protocol and connect to one machine.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use rustix::process::Signal;

use super::trouble::{Trouble, TroubleKind};
use crate::config::{SshKey, WatchDecl};
use crate::forge::{HARMLESS, RefValue, Refs, clear_leftovers};
use crate::model::{BranchName, CommitId, InstanceId, RemoteUrl, UrlScheme, chain, not_public};
use crate::secret::{Redactor, SecretGrant, SecretValues};
use crate::sys::cancel_signal::CancelSignal;
use crate::sys::git_command::GitCommand;
use crate::sys::process::Exit;
use crate::sys::program::{Keep, ProgramEnd, ProgramLimits};
use crate::sys::resolve;

/// How long the query may take.
const LIST_TIME: Duration = Duration::from_secs(60);

/// The most that git may write to a file during the query, in bytes.
const LIST_FILE_BYTES: u64 = 1 << 20;

/// How long a fetch may take.
const FETCH_TIME: Duration = Duration::from_secs(3600);

/// The largest pack that is fetched, in bytes.
const FETCH_FILE_BYTES: u64 = 4 << 30;

/// The most that git may write to its standard output, in bytes.
const MAX_OUTPUT: usize = 64 << 10;

/// The most that git may write to its standard error, in bytes.
const MAX_CHATTER: usize = 1 << 20;

/// The most of its standard error that is parsed for the reason, in bytes.
const MAX_COMPLAINT: usize = 4 << 10;

/// The variable that marks the processes of a server, so that a later one finds them.
pub const FETCH_MARK: &str = "QUIRE_WATCH";

/// Settings for every git command on a remote, in addition to those of the scheme.
const SETTINGS: [&str; 6] = [
    "protocol.allow=never",
    "core.hooksPath=/dev/null",
    "core.askPass=",
    "credential.helper=",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
];

/// Settings for a fetch.
const FETCH_SETTINGS: [&str; 6] = [
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.fsckObjects=true",
    "fetch.writeCommitGraph=false",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// Variables of the server's environment that lead git, curl and ssh to remotes.
const OF_REMOTES: [&str; 9] = [
    "SSH_AUTH_SOCK",
    "GIT_SSL_CAINFO",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// The command by which the operator has git start ssh.
const SSH_COMMAND: &str = "GIT_SSH_COMMAND";

/// How long http may be slower than the limit, in seconds.
const LOW_SPEED_TIME: &str = "http.lowSpeedTime=30";

/// A remote that can be queried: its address is allowed, and its credential was read.
pub(crate) struct Remote<'a> {
    url: &'a RemoteUrl,
    copy: &'a Path,
    key: Option<&'a SshKey>,
    addresses: Vec<IpAddr>,
    header: Option<String>,
    helper: Option<&'a str>,
    redactor: Redactor,
    signs: RemoteSigns<'a>,
}

/// The context of git commands on a remote.
#[derive(Clone, Copy)]
pub(crate) struct RemoteSigns<'a> {
    /// The file that ssh reads instead of the account's own.
    pub(crate) ssh_config: Option<&'a Path>,
    /// The server's environment, of which git gets what leads it to remotes.
    pub(crate) environment: &'a [(String, String)],
    /// The data folder's id, which marks the processes.
    pub(crate) instance: InstanceId,
    /// Cancels the command.
    pub(crate) cancel: &'a CancelSignal,
}

/// A ref of a remote, and the ref of the copy that it is fetched into.
pub(crate) struct Refspec<'a> {
    /// The full name of the ref, or a commit.
    pub(crate) from: &'a str,
    /// The full name of the ref.
    pub(crate) into: &'a str,
}

/// The refs of a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The tip of the branch; `None` when the remote has no branch of this name.
    pub(crate) tip: Option<CommitId>,
    /// The branch that its `HEAD` names.
    pub(crate) default_branch: Option<String>,
}

impl<'a> Remote<'a> {
    /// Resolves the address and reads the credential; `copy` is the repository to fetch into. Blocks.
    ///
    /// # Errors
    /// Why quire does not connect to it.
    pub(crate) fn prepare(
        watch: &'a WatchDecl,
        token: Option<SecretGrant>,
        copy: &'a Path,
        signs: RemoteSigns<'a>,
    ) -> Result<Self, Trouble> {
        let addresses = if watch.allow_private { Vec::new() } else { public_addresses(&watch.url)? };
        let values = SecretValues::load(token.as_slice());
        let header = watch.token.as_ref().map(|name| header(name.as_str(), &values)).transpose()?;
        let redactor = Redactor::new(values.known());
        let (url, key, helper) = (&watch.url, watch.ssh_key.as_ref(), watch.credential_helper.as_deref());
        Ok(Remote { url, copy, key, addresses, header, helper, redactor, signs })
    }

    /// A remote whose machine the operator has named; git connects to it without a credential.
    pub(crate) fn allowed(url: &'a RemoteUrl, copy: &'a Path, signs: RemoteSigns<'a>) -> Self {
        let redactor = Redactor::new(SecretValues::load(&[]).known());
        Remote { url, copy, key: None, addresses: Vec::new(), header: None, helper: None, redactor, signs }
    }

    /// Queries the tip of a branch. Blocks.
    ///
    /// # Errors
    /// What is wrong with the remote.
    pub(crate) fn list(&self, branch: &BranchName) -> Result<Listing, Trouble> {
        let full = branch.full();
        parse_listing(&self.list_refs(&["HEAD", &full], LIST_TIME)?, &full)
    }

    /// Queries the refs that match any of these, in the format of `git ls-remote --symref`. Blocks.
    ///
    /// # Errors
    /// What is wrong with the remote.
    pub(crate) fn list_refs(&self, refs: &[&str], time: Duration) -> Result<Vec<u8>, Trouble> {
        let asked = [&["ls-remote", "--symref", "--end-of-options", self.url.as_str()], refs].concat();
        self.run(self.command(), &asked, &self.limits(time, LIST_FILE_BYTES))
    }

    /// Fetches what a refspec says; nothing else may fetch into the copy meanwhile. When it returns, the ref of the copy has moved, with a line in its reflog. Blocks.
    ///
    /// # Errors
    /// What is wrong with the remote.
    pub(crate) fn fetch(&self, refspec: &Refspec<'_>, time: Duration) -> Result<(), Trouble> {
        clear_leftovers(self.copy, refspec.into);
        self.fetch_within(refspec, time, FETCH_FILE_BYTES)
    }

    /// Fetches a branch and returns the fetched tip: it can have moved since the query. Blocks.
    ///
    /// # Errors
    /// What is wrong with the remote, or that the copy cannot be read.
    pub(crate) fn fetch_tip(&self, branch: &BranchName) -> Result<Option<CommitId>, Trouble> {
        let full = branch.full();
        self.fetch(&Refspec { from: &full, into: &full }, FETCH_TIME)?;
        let failed = |problem: String| Trouble::new(TroubleKind::Failed, problem);
        let name = branch.ref_name().map_err(|error| failed(error.to_string()))?;
        let value = Refs::of(self.copy).value(&name).map_err(|error| failed(chain(&error)))?;
        Ok(match value {
            RefValue::Direct(tip) => Some(tip),
            RefValue::Missing | RefValue::Symbolic(_) => None,
        })
    }

    fn fetch_within(&self, refspec: &Refspec<'_>, time: Duration, file_bytes: u64) -> Result<(), Trouble> {
        let refspec = format!("+{}:{}", refspec.from, refspec.into);
        let asked = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-gc",
            "--no-show-forced-updates",
            "--refmap=",
            "--end-of-options",
            self.url.as_str(),
            &refspec,
        ];
        let harmless = HARMLESS.map(|id| format!("fetch.fsck.{id}=ignore"));
        let settings = FETCH_SETTINGS.into_iter().chain(harmless.iter().map(String::as_str));
        let git = settings.fold(self.command(), |git, setting| git.args(["-c", setting]));
        let limits = ProgramLimits { ends_with_caller: true, ..self.limits(time, file_bytes) };
        self.run(git, &asked, &limits).map(drop)
    }

    fn limits(&self, time: Duration, file_bytes: u64) -> ProgramLimits<'a> {
        ProgramLimits {
            time,
            stdout: Keep::AtMost(MAX_OUTPUT),
            stderr: Keep::AtMost(MAX_CHATTER),
            file_bytes: Some(file_bytes),
            memory_bytes: None,
            ends_with_caller: false,
            kills_leftovers: true,
            cancel: Some(self.signs.cancel),
        }
    }

    fn run(&self, git: GitCommand, args: &[&str], limits: &ProgramLimits<'_>) -> Result<Vec<u8>, Trouble> {
        let mut finished = git
            .args(args)
            .run_within(limits)
            .map_err(|error| Trouble::new(TroubleKind::Failed, format!("could not run git: {error}")))?;
        finished.stderr.truncate(MAX_COMPLAINT);
        let stderr = finished.stderr_text();
        match finished.end {
            ProgramEnd::Exited(exit) if exit.code() == 0 => Ok(finished.stdout),
            ProgramEnd::Exited(exit) if !is_file_too_large(exit, &stderr) => {
                Err(Trouble::parse(&self.redactor.text(&stderr)))
            }
            ProgramEnd::Exited(_) | ProgramEnd::TooMuchOutput => Err(Trouble::new(
                TroubleKind::TooMuch,
                format!("the remote sends too much: a pack may have at most {} MiB", FETCH_FILE_BYTES >> 20),
            )),
            ProgramEnd::TimedOut => Err(Trouble::new(
                TroubleKind::Unreachable,
                format!("timed out after {} s", limits.time.as_secs()),
            )),
            ProgramEnd::Cancelled => Err(Trouble::new(TroubleKind::Stopped, "the server is stopping")),
        }
    }

    /// The git command that connects to this remote and no other.
    fn command(&self) -> GitCommand {
        let protocol = match self.url.scheme() {
            UrlScheme::Https => "protocol.https.allow=always",
            UrlScheme::Http => "protocol.http.allow=always",
            UrlScheme::Ssh => "protocol.ssh.allow=always",
            UrlScheme::File => "protocol.file.allow=always",
        };
        let mut git = GitCommand::in_repo(self.copy)
            .env("HOME", self.copy)
            .env(FETCH_MARK, self.signs.instance.to_string())
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_COMMITTER_NAME", "quire")
            .env("GIT_COMMITTER_EMAIL", "watch@quire.invalid")
            .env("GIT_REFLOG_ACTION", "watch")
            .env(SSH_COMMAND, self.ssh())
            .env("GIT_SSH_VARIANT", "ssh");
        // A helper may keep what it knows in the home of the account.
        let leads = |name: &str| OF_REMOTES.contains(&name) || (name == "HOME" && self.helper.is_some());
        for (name, value) in self.signs.environment.iter().filter(|(name, _)| leads(name)) {
            git = git.env(name, value);
        }
        for setting in SETTINGS.into_iter().chain([LOW_SPEED_TIME, protocol]) {
            git = git.args(["-c", setting]);
        }
        if let Some(helper) = self.helper {
            git = git.arg("-c").arg(format!("credential.helper={helper}"));
        }
        if !self.addresses.is_empty() && self.url.scheme() != UrlScheme::Ssh {
            git = git.arg("-c").arg(format!("http.curloptResolve={}", self.pin()));
        }
        if let Some(header) = &self.header {
            git = git
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", format!("http.{}.extraheader", self.url.origin()))
                .env("GIT_CONFIG_VALUE_0", header);
        }
        git
    }

    /// Makes curl connect to the addresses that were checked: the name may resolve to others a moment later.
    fn pin(&self) -> String {
        let shown = |address: &IpAddr| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let addresses: Vec<String> = self.addresses.iter().map(shown).collect();
        format!("{}:{}:{}", self.url.host(), self.url.port(), addresses.join(","))
    }

    /// The command line by which git starts ssh: what the operator has chosen, fixed words, a quoted path, and an address that
    /// was checked. Of two equal options, ssh takes the first one.
    fn ssh(&self) -> String {
        let chosen = self.signs.environment.iter().find(|(name, _)| name == SSH_COMMAND);
        let chosen = chosen.map_or("ssh", |(_, command)| command).trim();
        let mut words = " -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 \
                         -o ServerAliveCountMax=4 -o ClearAllForwardings=yes -o ForwardAgent=no -o PermitLocalCommand=no \
                         -o ControlPath=none"
            .to_owned();
        words.insert_str(0, if chosen.is_empty() { "ssh" } else { chosen });
        if let Some(file) = self.signs.ssh_config {
            words.push_str(&format!(" -F {}", quoted(&file.to_string_lossy())));
        }
        if let Some(key) = self.key {
            words.push_str(&format!(" -i {} -o IdentitiesOnly=yes", quoted(key.as_str())));
        }
        if let (Some(address), UrlScheme::Ssh) = (self.addresses.first(), self.url.scheme()) {
            // The host key is still searched under the name.
            let (host, port) = (self.url.host(), self.url.port());
            let alias = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
            words.push_str(&format!(" -o HostName={address} -o 'HostKeyAlias={alias}'"));
        }
        words
    }
}

/// A word for the shell by which git starts ssh.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''"))
}

/// The addresses of the machine, all of which must be public.
fn public_addresses(url: &RemoteUrl) -> Result<Vec<IpAddr>, Trouble> {
    if url.scheme() == UrlScheme::File {
        return Ok(Vec::new());
    }
    let found = resolve::addresses(url.host(), url.port()).map_err(|error| {
        Trouble::new(TroubleKind::Unreachable, format!("could not resolve `{}`: {error}", url.host()))
    })?;
    if found.is_empty() {
        let text = format!("`{}` has no address", url.host());
        return Err(Trouble::new(TroubleKind::Unreachable, text));
    }
    match found.iter().find_map(|address| not_public(*address).map(|why| (address, why))) {
        None => Ok(found),
        Some((address, why)) => {
            let host = url.host();
            let is_it = host.parse() == Ok(*address);
            let leads =
                if is_it { format!("{host} is") } else { format!("{host} leads to {address}, which is") };
            let text = format!("{leads} {why}; --allow-private, or :allow-private true, allows that");
            Err(Trouble::new(TroubleKind::Refused, text))
        }
    }
}

/// The header with the credential. The user's name is one that the usual forges accept together with a token.
fn header(name: &str, values: &SecretValues) -> Result<String, Trouble> {
    let refused = |text: String| Trouble::new(TroubleKind::Refused, text);
    let value = match values.get(name, "") {
        Some(Ok(value)) => value,
        Some(Err(problem)) => return Err(refused(problem.to_string())),
        None => return Err(refused(format!("secret `{name}` is not declared in config.fnl"))),
    };
    if value.is_empty() || value.iter().any(u8::is_ascii_control) {
        return Err(refused(format!(
            "the secret `{name}` is not a valid token: it is empty or has control characters"
        )));
    }
    let pair = [b"x-access-token:".as_slice(), &value].concat();
    Ok(format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

/// Parses the output of `git ls-remote --symref`.
fn parse_listing(output: &[u8], full: &str) -> Result<Listing, Trouble> {
    let mut listing = Listing::default();
    for line in String::from_utf8_lossy(output).lines() {
        let Some((value, name)) = line.split_once('\t') else { continue };
        if name == "HEAD" {
            let target = value.strip_prefix("ref: refs/heads/");
            listing.default_branch = target.map(str::to_owned).or(listing.default_branch);
        } else if name == full {
            let tip = CommitId::parse(value).map_err(|_| {
                Trouble::new(
                    TroubleKind::Failed,
                    "the remote does not use SHA-1 object ids, which quire requires",
                )
            })?;
            listing.tip = Some(tip);
        }
    }
    Ok(listing)
}

/// Whether git, or one of its helpers, was stopped by the system because it wrote too large a file.
fn is_file_too_large(exit: Exit, stderr: &str) -> bool {
    let signal = Signal::XFSZ.as_raw();
    exit.signal() == Some(signal)
        || stderr.contains(&format!("died of signal {signal}"))
        || stderr.contains("File too large")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::new_repo;
    use crate::model::RepoName;
    use crate::sys::cancel_signal::cancel_pair;

    fn watch(url: &str) -> WatchDecl {
        WatchDecl {
            name: RepoName::parse("w").unwrap(),
            url: RemoteUrl::parse(url).unwrap(),
            branch: BranchName::parse("main").unwrap(),
            every: Duration::from_secs(60),
            allow_private: false,
            token: None,
            ssh_key: None,
            credential_helper: None,
            first_run: true,
            runs: crate::config::WatchRuns::default(),
        }
    }

    #[test]
    fn only_the_branch_itself_is_read() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let said = format!(
            "ref: refs/heads/trunk\tHEAD\n{two}\tHEAD\n{two}\trefs/x/refs/heads/main\n{one}\trefs/heads/main\njunk\n"
        );
        let listing = parse_listing(said.as_bytes(), "refs/heads/main").unwrap();
        assert_eq!(listing.tip, Some(CommitId::parse(&one).unwrap()));
        assert_eq!(listing.default_branch.as_deref(), Some("trunk"));
        assert_eq!(parse_listing(b"", "refs/heads/main").unwrap(), Listing::default());
        let long = format!("{}\trefs/heads/main\n", "a".repeat(64));
        assert!(parse_listing(long.as_bytes(), "refs/heads/main").is_err());
    }

    #[test]
    fn private_addresses_are_refused_however_they_are_written() {
        for url in [
            "http://127.0.0.1/x",
            "https://localhost/x",
            "https://[::1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "http://2130706433/x",
            "http://0x7f.1/x",
            "http://127.1/x",
            "http://0/x",
            "ssh://169.254.169.254/x",
            "git@192.168.0.1:x",
        ] {
            let trouble = public_addresses(&RemoteUrl::parse(url).unwrap()).unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::Refused, "{url}: {trouble}");
        }
        assert_eq!(public_addresses(&RemoteUrl::parse("https://8.8.8.8/x").unwrap()).unwrap().len(), 1);
    }

    #[test]
    fn a_remote_that_sends_too_much_is_cut_off_and_leaves_no_ref() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        for name in ["there", "here"] {
            new_repo(data, &RepoName::parse(name).unwrap()).unwrap();
        }
        let git = || GitCommand::in_repo(&data.join("repos/there.git"));
        // Bytes that do not pack well.
        let mut noise = Vec::new();
        let mut state = 7_u64;
        for _ in 0..64_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise.extend(state.to_be_bytes());
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        let blob = text(git().args(["hash-object", "-w", "--stdin"]).run_with(&noise).unwrap());
        let tree =
            text(git().arg("mktree").run_with(format!("100644 blob {blob}\tnoise\n").as_bytes()).unwrap());
        let who = |git: GitCommand| {
            ["AUTHOR", "COMMITTER"].iter().fold(git, |git, role| {
                git.env(format!("GIT_{role}_NAME"), "t").env(format!("GIT_{role}_EMAIL"), "t@example.org")
            })
        };
        let commit = text(who(git()).args(["commit-tree", "-m", "m", &tree]).run().unwrap());
        git().args(["update-ref", "refs/heads/main", &commit]).run().unwrap();
        let (_handle, cancel) = cancel_pair().unwrap();
        let signs =
            RemoteSigns { ssh_config: None, environment: &[], instance: InstanceId::new(7), cancel: &cancel };
        let watch = watch(data.join("repos/there.git").to_str().unwrap());
        let here = data.join("repos/here.git");
        let remote = Remote::prepare(&watch, None, &here, signs).unwrap();
        assert_eq!(remote.list(&watch.branch).unwrap().tip.unwrap().to_string(), commit);
        let main = Refspec { from: "refs/heads/main", into: "refs/heads/main" };
        assert_eq!(remote.fetch_within(&main, FETCH_TIME, 100_000).unwrap_err().kind, TroubleKind::TooMuch);
        assert!(!here.join("refs/heads/main").exists());
        remote.fetch(&main, FETCH_TIME).unwrap();
        assert_eq!(std::fs::read_to_string(here.join("refs/heads/main")).unwrap().trim(), commit);
    }
}
