//! The hooks' side: short-lived, blocking, no runtime. `pre_receive` is the only part of quire that may refuse a push.

use std::io::{BufRead, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frame::{EventFrame, IntentFrame, VERSION};
use super::protected_push::{ProtectedPush, refuse_without_server};
use super::relay::{Relay, Relayed};
use super::spool::spool_intent;
use crate::config::DataDir;
use crate::event::{HOOK_OPTION, RefUpdate, RefUpdateRecord};
use crate::forge::read_identity;
use crate::model::{CommitId, RefName};
use crate::sys::clock;
use crate::sys::http_client;
use crate::sys::lock;
use crate::sys::parent::parent;
use crate::sys::user;
use crate::sys::{FolderIdentity, boot_id, pid_namespace};

/// How long the server may be silent before a hook continues without it.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);

/// The most push options that are kept, and the most bytes of one.
const MAX_OPTIONS: (usize, usize) = (256, 4096);

/// The longest line that git gives a hook: two ids, the longest ref name, spaces.
const MAX_LINE: u64 = 8192;

/// The input of a hook.
#[derive(Debug, Clone)]
pub(crate) struct HookEnvironment {
    /// The repository: git starts its hooks in it.
    pub(crate) git_dir: PathBuf,
    /// The pusher, if the program that started receive-pack names one.
    pub(crate) pusher: Option<String>,
    /// The push options.
    pub(crate) options: Vec<String>,
    /// The folder of the objects that git has not taken over yet.
    pub(crate) quarantine: Option<String>,
    /// How the pusher calls quire: `quire`, or `ssh git@192.0.2.1 quire --data /srv/quire`.
    pub(crate) command: String,
}

impl HookEnvironment {
    /// Reads the environment of a hook, without what exceeds the limits.
    pub(crate) fn new(
        git_dir: PathBuf,
        pusher: Option<String>,
        options: impl Iterator<Item = String>,
    ) -> Self {
        let (count, bytes) = MAX_OPTIONS;
        let cut = |option: String| match option.char_indices().find(|(place, c)| place + c.len_utf8() > bytes)
        {
            Some((place, _)) => option.get(..place).unwrap_or_default().to_owned(),
            None => option,
        };
        // What only a hook adds is not taken from a pusher.
        let options = options.filter(|option| !option.starts_with(HOOK_OPTION));
        let options = options.take(count).map(cut).collect();
        Self { git_dir, pusher, options, quarantine: None, command: "quire".to_owned() }
    }
}

/// Announces a push before any ref moves. `Err` is the line for the pusher; the push is then refused.
///
/// # Errors
/// The intent could be made durable neither by the server nor in the spool, or git's input is invalid.
pub(crate) fn pre_receive(environment: &HookEnvironment, input: &mut dyn BufRead) -> Result<(), String> {
    let data = data_dir(environment)?;
    let updates = read_updates(input)?;
    if updates.is_empty() {
        return Ok(());
    }
    let gone = || "receive-pack is gone; nothing was changed".to_owned();
    let (pid, started) = parent().ok_or_else(gone)?;
    // Without it both hooks give the same id, and the server takes receive-pack for one that it cannot see.
    let boot = boot_id().unwrap_or_default();
    let mut intent = IntentFrame {
        v: VERSION,
        push: push_id(&boot, pid, started),
        git_dir: environment.git_dir.to_string_lossy().into_owned(),
        repo: None,
        folder: None,
        quarantine: environment.quarantine.clone(),
        pid,
        started,
        boot,
        pusher: environment.pusher.clone(),
        options: environment.options.clone(),
        at: clock::now().to_string(),
        updates: updates.iter().map(RefUpdateRecord::from).collect(),
    };
    let body = serde_json::to_vec(&intent).map_err(|error| format!("could not encode the push: {error}"))?;
    let answer = http_client::request(&data.socket(), "POST", "/intents", &body, SERVER_PATIENCE);
    match answer {
        Ok(answer) if answer.status == 200 => return Ok(()),
        // The repository is the problem, and will still be so later.
        Ok(answer) if answer.status == 409 => return Err(reason(answer)),
        Ok(_) | Err(_) => {}
    }
    if let Some(refusal) = refused_ref(&updates).or_else(|| refused_here(environment, &data, &updates)) {
        return Err(refusal);
    }
    // Without them the server goes by the name, as for frames of version 0.1.0.
    intent.repo = read_identity(&environment.git_dir).ok().flatten().map(|identity| identity.id.to_string());
    intent.quarantine = None;
    intent.folder = FolderIdentity::read(data.path()).ok().map(|identity| identity.word());
    spool_intent(&data.spool(), &intent).map_err(|error| {
        let why = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        let whose = owner(&data).filter(|_| is_refused(&error)).map(|owner| {
            format!("; the data folder belongs to {owner}, and this is {}", user::shown(user::own_uid()))
        });
        format!(
            "quire cannot record this push ({error}{why}{}); nothing was changed",
            whose.unwrap_or_default()
        )
    })
}

/// Why a push is refused that moves a protected ref while no server answers.
fn refused_here(environment: &HookEnvironment, data: &DataDir, updates: &[RefUpdate]) -> Option<String> {
    let repo = data.repo_name(&environment.git_dir)?;
    let (git_dir, quarantine) = (environment.git_dir.as_path(), environment.quarantine.as_deref());
    refuse_without_server(data, ProtectedPush { repo: &repo, git_dir, quarantine, updates })
}

/// Whether the system denied it to this account.
fn is_refused(error: &dyn std::error::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == ErrorKind::PermissionDenied)
}

/// Reports to the server that the refs have moved and passes on its output. Never fails: the push is already recorded.
pub(crate) fn post_receive(
    environment: &HookEnvironment,
    input: &mut dyn BufRead,
    output: impl Write + AsFd,
) {
    let Ok(data) = data_dir(environment) else { return };
    // What it does not report is found in the refs.
    let updates = read_updates(input).unwrap_or_default();
    if updates.is_empty() {
        return;
    }
    // Without receive-pack the pusher reads nothing, and the server notices that it has ended.
    let Some((pid, started)) = parent() else { return };
    let event = EventFrame {
        v: VERSION,
        push: push_id(&boot_id().unwrap_or_default(), pid, started),
        git_dir: environment.git_dir.to_string_lossy().into_owned(),
        options: environment.options.clone(),
        command: Some(environment.command.clone()).filter(|command| command != "quire"),
        updates: updates.iter().map(RefUpdateRecord::from).collect(),
    };
    let Ok(body) = serde_json::to_vec(&event) else { return };
    let mut relay = Relay::new(output);
    let text = match http_client::request(&data.socket(), "POST", "/events", &body, SERVER_PATIENCE) {
        Ok(answer) if answer.status == 200 => match relay.pass_on(answer) {
            Relayed::Whole | Relayed::Unread => return,
            Relayed::Cut => cut_off(environment, &data, relay.runs()),
        },
        Err(error) if error.kind() == ErrorKind::PermissionDenied => may_not_connect(&data),
        Ok(_) | Err(_) => without_answer(environment, &data),
    };
    let _is_read = relay.say(&text);
}

/// The line for a pusher whose account may not connect to the server, which may be running.
fn may_not_connect(data: &DataDir) -> String {
    let whose = owner(data).map(|owner| format!(", which {owner} owns")).unwrap_or_default();
    format!(
        "warning: the push is stored, and a running server will find it; {} may not connect to {}{whose}\n",
        user::shown(user::own_uid()),
        data.socket().display(),
    )
}

/// The account that owns a data folder.
fn owner(data: &DataDir) -> Option<String> {
    std::fs::metadata(data.path()).ok().map(|there| user::shown(there.uid()))
}

/// The lines for the pusher when no server answers: a server without a socket handles the push all the same.
fn without_answer(environment: &HookEnvironment, data: &DataDir) -> String {
    let is_served = lock::is_held(&data.server_lock()).unwrap_or(false);
    if !is_served || data.socket().symlink_metadata().is_ok() {
        return "warning: quire is not running; the push is stored, and its run starts with the server\n"
            .to_owned();
    }
    let mut lines =
        "quire: the push is stored, and its run starts now; this server has no socket to report it\n"
            .to_owned();
    for option in ["ci.wait", "ci.log", "ci.live"] {
        if environment.options.iter().any(|given| given == option) {
            lines.push_str(&format!("warning: `{option}` has no effect without the socket\n"));
        }
    }
    if let Some(name) = data.repo_name(&environment.git_dir) {
        lines.push_str(&format!("hint: {} runs {name}\n", environment.command));
    }
    lines
}

/// The lines for a pusher who waits for runs whose server was killed.
fn cut_off(environment: &HookEnvironment, data: &DataDir, runs: &[u64]) -> String {
    let name = data.repo_name(&environment.git_dir);
    let command = &environment.command;
    let listed = runs.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    match (runs, name) {
        ([_], Some(name)) => format!(
            "warning: lost sight of run {listed}; it continues\nhint: {command} wait '{name}#{listed}'\n"
        ),
        ([_, _, ..], Some(name)) => format!(
            "warning: lost sight of runs {listed}; they continue\nhint: {command} runs --repo {name}\n"
        ),
        (_, name) => {
            let hint = name.map(|name| format!("hint: {command} runs --repo {name}\n"));
            let warning = "warning: the server has ended or does not answer; the push is stored\n";
            format!("{warning}{}", hint.unwrap_or_default())
        }
    }
}

/// The data folder of the repository.
fn data_dir(environment: &HookEnvironment) -> Result<DataDir, String> {
    DataDir::of_repository(&environment.git_dir).ok_or_else(|| {
        format!("`{}` is not in a quire data folder; only git runs this hook", environment.git_dir.display())
    })
}

/// The refs that cannot be pushed: a ref below `refs/replace/` would make git read one commit as another.
const RESERVED: [&str; 2] = ["refs/replace/", "refs/quire/"];

/// Why a push is refused that updates a reserved ref.
pub(crate) fn refused_ref(updates: &[RefUpdate]) -> Option<String> {
    let reserved = updates.iter().find(|update| is_reserved(&update.ref_name))?;
    let name = &reserved.ref_name;
    Some(format!("`{name}` is reserved: refs below {} cannot be pushed", RESERVED.join(" or ")))
}

fn is_reserved(name: &RefName) -> bool {
    RESERVED.iter().any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()))
}

/// The first line of a refusal.
fn reason(mut answer: http_client::Answer) -> String {
    let mut line = String::new();
    let _short = std::io::Read::take(&mut answer.body, MAX_LINE).read_line(&mut line).is_err();
    line.trim_end().to_owned()
}

/// One id for both hooks: they are children of the same receive-pack, and no other process has its id, start time, boot and
/// namespace of process ids.
fn push_id(boot: &str, pid: u32, started: u64) -> String {
    let boot: String = boot.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    let namespace = pid_namespace().map(|namespace| format!("-{namespace}")).unwrap_or_default();
    format!("{boot}-{pid}-{started}{namespace}")
}

/// Parses `<old> <new> <ref>` lines, as githooks(5) describes them.
fn read_updates(input: &mut dyn BufRead) -> Result<Vec<RefUpdate>, String> {
    let mut updates = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let count = std::io::Read::take(&mut *input, MAX_LINE).read_until(b'\n', &mut line);
        if count.map_err(|error| format!("could not read git's list of updates: {error}"))? == 0 {
            return Ok(updates);
        }
        let update = parse_update(line.strip_suffix(b"\n").unwrap_or(&line));
        updates.push(update.ok_or_else(|| {
            format!("invalid line in git's list of updates: {}", String::from_utf8_lossy(&line).trim_end())
        })?);
    }
}

fn parse_update(line: &[u8]) -> Option<RefUpdate> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let mut id = || CommitId::parse(std::str::from_utf8(parts.next()?).ok()?).ok();
    let (old, new) = (id()?, id()?);
    Some(RefUpdate { ref_name: RefName::parse(parts.next()?).ok()?, old, new })
}

/// The absolute path of a folder, with all links resolved, for a hook that was started in it.
pub(crate) fn resolve(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn update_lines_are_parsed() {
        let a = "a".repeat(40);
        let zero = "0".repeat(40);
        let text = format!("{zero} {a} refs/heads/main\n{a} {zero} refs/heads/with space\n");
        let updates = read_updates(&mut text.as_bytes()).unwrap();
        assert_eq!(updates.len(), 2);
        assert!(updates[1].new.is_zero());
        assert_eq!(updates[1].ref_name.to_string(), "refs/heads/with space");
        for text in [
            format!("{a} {zero}\n"),
            format!("{} {} refs/heads/x\n", "0".repeat(64), "0".repeat(64)),
            "x".repeat(9000),
        ] {
            assert!(read_updates(&mut text.as_bytes()).is_err(), "{text:.20}");
        }
    }

    #[test]
    fn replace_refs_are_reserved() {
        let is_reserved = |name: &str| is_reserved(&RefName::parse(name.as_bytes()).unwrap());
        assert!(is_reserved("refs/replace/0551") && is_reserved("refs/quire/x"));
        assert!(!is_reserved("refs/heads/refs/replace/x") && !is_reserved("refs/replaced/x"));
    }

    #[test]
    fn a_pusher_gives_no_option_of_a_hook() {
        let options = ["ci.wait", "quire.signed={}", "quire.x", "other"].map(str::to_owned);
        let environment = HookEnvironment::new("/".into(), None, options.into_iter());
        assert_eq!(environment.options, ["ci.wait", "other"]);
    }

    #[test]
    fn options_are_bounded() {
        let long = "é".repeat(4000);
        let environment = HookEnvironment::new("/".into(), None, std::iter::repeat_n(long, 1000));
        assert_eq!(environment.options.len(), 256);
        assert!(environment.options[0].len() <= 4096 && environment.options[0].ends_with('é'));
    }

    #[test]
    fn outside_a_data_folder_a_push_is_refused_with_one_line() {
        let environment = HookEnvironment::new("/".into(), None, std::iter::empty());
        let refused = pre_receive(&environment, &mut "".as_bytes()).unwrap_err();
        assert!(!refused.contains('\n') && refused.contains("not in a quire data folder"), "{refused}");
    }
}
