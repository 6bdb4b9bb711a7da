//! The three programs of git that a client starts over ssh (git(1): `upload-pack`, `receive-pack`, `upload-archive`).

use std::path::{Path, PathBuf};

use super::identity::Who;
use crate::app::{KEY_VARIABLE, VisitRepo, Visitor};
use crate::cli::ask::perform as ask;
use crate::cli::exit::{Code, Failure, print_error};
use crate::cli::place::{environment, variable};
use crate::config::DataDir;
use crate::model::{Quoted, RepoName};
use crate::sys::replace_process::replace_process;
use crate::sys::search_path::find_program;

/// The variables that git and its hooks get; whoever connects chooses none of them, except the protocol and the language.
const KEPT: [&str; 11] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "LANG",
    "LC_ALL",
    "SSH_CONNECTION",
    "SSH_CLIENT",
    "TMPDIR",
];

/// The longest value of `GIT_PROTOCOL`, in bytes.
const MAX_PROTOCOL: usize = 64;

/// A program of git that serves a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    UploadPack,
    ReceivePack,
    UploadArchive,
}

impl Service {
    /// The service that a command names, as `git-upload-pack` or `git upload-pack`, and the words after it.
    pub(super) fn parse<'a>(program: &str, rest: &'a [String]) -> Option<(Self, &'a [String])> {
        let (word, rest) = match (program, rest.split_first()) {
            ("git", Some((word, rest))) => (word.as_str(), rest),
            (program, _) => (program.strip_prefix("git-")?, rest),
        };
        let all = [Self::UploadPack, Self::ReceivePack, Self::UploadArchive];
        all.into_iter().find(|service| service.word() == word).map(|service| (service, rest))
    }

    fn word(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
            Self::UploadArchive => "upload-archive",
        }
    }
}

/// Becomes git, for the repository that is named. Returns only why it did not.
pub(super) fn serve(data: &DataDir, who: &Who, service: Service, words: &[String]) -> Failure {
    match prepare(data, who, service, words) {
        Ok((git, args, variables)) => Failure::broken(&replace_process(&git, &args, &variables)),
        Err(failure) => failure,
    }
}

type Prepared = (PathBuf, Vec<String>, Vec<(String, String)>);

fn prepare(data: &DataDir, who: &Who, service: Service, words: &[String]) -> Result<Prepared, Failure> {
    let [path] = words else {
        let text = format!("git {} takes one repository and no options", service.word());
        return Err(Failure::new(Code::Usage, text));
    };
    let name = repository(data, path)?;
    let is_push = service == Service::ReceivePack;
    let visit = VisitRepo { visitor: who.visitor(), repo: name.to_string(), push: is_push };
    let visited = ask(data, visit)?;
    if visited.name != name.as_str() && is_push {
        print_error(&format!(
            "hint: `{name}` was renamed to `{0}`: git remote set-url origin {1}\n",
            visited.name,
            new_address(path, &name, &visited.name)
        ));
    }
    let search = variable("PATH").unwrap_or_default();
    let git = find_program("git", search.as_ref())
        .ok_or_else(|| Failure::new(Code::Broken, "git is not installed on the server"))?;
    let mut variables: Vec<_> =
        environment().into_iter().filter(|(name, _)| KEPT.contains(&name.as_str())).collect();
    let protocol = variable("GIT_PROTOCOL").filter(|value| is_protocol(value));
    variables.extend(protocol.map(|value| ("GIT_PROTOCOL".to_owned(), value)));
    // What a push prints is typed over the same ssh, which names this folder.
    variables.push(("QUIRE_DATA".to_owned(), data.path().to_string_lossy().into_owned()));
    if let Some(Visitor::Key(id)) = who.visitor() {
        variables.push((KEY_VARIABLE.to_owned(), id.to_string()));
    }
    variables.extend(who.name().map(|name| ("REMOTE_USER".to_owned(), name.to_owned())));
    let folder = visited.path.to_string_lossy().into_owned();
    Ok((git, vec![service.word().to_owned(), folder], variables))
}

/// The repository that a path means: an absolute one below `repos/`, or a name, with or without `/` before it.
fn repository(data: &DataDir, path: &str) -> Result<RepoName, Failure> {
    let below = Path::new(path).strip_prefix(data.repos()).ok().and_then(Path::to_str);
    let name = below.unwrap_or_else(|| path.trim_start_matches("~/").trim_start_matches('/'));
    if path.starts_with('-') {
        let text = format!("{} is an option, and none is taken here", Quoted::new(path));
        return Err(Failure::new(Code::Usage, text));
    }
    RepoName::parse(name).map_err(|error| {
        Failure::new(Code::Usage, error).hint("name the repository: git clone HOST:NAME, or HOST:GROUP/NAME")
    })
}

/// The address with the new name, as far as the client has sent it.
fn new_address(path: &str, old: &RepoName, new: &str) -> String {
    let account = crate::sys::user::login_name().unwrap_or_else(|| "git".to_owned());
    let host = variable("SSH_CONNECTION");
    let host = host.as_deref().and_then(|connection| connection.split(' ').nth(2)).unwrap_or("HOST");
    format!("{account}@{host}:{}", path.replace(old.as_str(), new))
}

/// Whether a value of `GIT_PROTOCOL` is as git sends it: `version=2`, with `:` between several.
fn is_protocol(value: &str) -> bool {
    value.len() <= MAX_PROTOCOL
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_a_repository_below_repos_or_nothing() {
        let data = DataDir::new("/var/quire");
        let read = |path: &str| repository(&data, path).map(|name| name.to_string());
        for path in ["site", "site.git", "/site.git", "~/site", "/var/quire/repos/site.git", "site.git/"] {
            assert_eq!(read(path).ok().as_deref(), Some("site"), "{path}");
        }
        assert_eq!(read("/var/quire/repos/group/app.git").ok().as_deref(), Some("group/app"));
        for path in [
            "",
            "/",
            "..",
            "../site",
            "site/../../etc",
            "/etc/passwd/x",
            "/var/quire/trash/site.git",
            "/var/quire/repos/../quire.db",
            "--upload-pack=id",
            "-site",
            "~root/site",
            "a b",
            "site\u{0}",
            "$(id)",
        ] {
            assert!(read(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn only_three_programs_of_git_are_served() {
        let parse = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let (program, rest) = words.split_first().unwrap();
            Service::parse(program, rest).map(|(service, rest)| (service, rest.to_vec()))
        };
        let one = vec!["x".to_owned()];
        assert_eq!(parse(&["git-upload-pack", "x"]), Some((Service::UploadPack, one.clone())));
        assert_eq!(parse(&["git", "receive-pack", "x"]), Some((Service::ReceivePack, one.clone())));
        assert_eq!(parse(&["git-upload-archive", "x"]), Some((Service::UploadArchive, one)));
        for words in [
            vec!["git"],
            vec!["git", "-c", "alias.x=!id", "x"],
            vec!["git-shell"],
            vec!["git-upload-pack;id", "x"],
            vec!["/usr/bin/git-upload-pack", "x"],
            vec!["git-lfs-authenticate", "x", "download"],
            vec!["scp", "-f", "/etc/passwd"],
            vec!["sh"],
        ] {
            assert_eq!(parse(&words), None, "{words:?}");
        }
    }
}
