//! Repositories: fetched by the code that fetches watched ones, each commit written into a folder of its own.
//!
//! `sources/NAME/repo.git` is what was fetched, `sources/NAME/COMMIT` the files of a commit. A run that has begun keeps its
//! commit's folder when the source moves on.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Map;

use super::add::SourceContext;
use super::error::SourceError;
use super::git_ref::GitRef;
use super::record::SourceRecord;
use super::request::SourceRequest;
use crate::forge::Repo;
use crate::model::{CommitId, Quoted, RemoteUrl, chain};
use crate::sys::folder::{Folder, Kind, open_regular};
use crate::sys::git_command::GitCommand;
use crate::watch::{Refspec, Remote, RemoteSigns, Trouble};

/// What was fetched, in the folder of a source.
pub(super) const COPY: &str = "repo.git";

/// The ref that a copy is fetched into.
const FETCHED: &str = "refs/quire/source";

/// What an address may be.
const ADDRESSES: &str = "use https://, ssh://, user@host:path or file://, without a password: a source is fetched without a credential";

/// The longest file that says where a repository has something, in bytes.
const MAX_POINTER: u64 = 64 << 10;

/// A problem with what is in the repository, or on the way to it.
fn failed(detail: impl std::fmt::Display) -> SourceError {
    SourceError::new("git checkout failed", detail)
}

fn unwritten(error: io::Error) -> SourceError {
    SourceError::failed(&error)
}

/// Completes the record of a repository: fetches it and writes the files of its commit.
///
/// # Errors
/// The repository is not allowed, cannot be fetched, or has no such commit.
pub(super) fn complete(
    mut record: SourceRecord,
    request: &SourceRequest,
    context: &SourceContext<'_>,
) -> Result<SourceRecord, SourceError> {
    let given = request.url().unwrap_or_default();
    let url = address(given, context)?;
    let wanted = GitRef::parse(&record.reference).map_err(failed)?;
    let place = Folder::open(context.data.path())
        .and_then(|data| data.make_dirs(Path::new("sources").join(&record.name), 0o700))
        .map_err(unwritten)?;
    let path = context.data.source(&record.name);
    let copy = copy(&place, &path)?;
    let commit = fetch(&url, &wanted, &copy, context)?;
    checkout(&copy, commit, (&place, &path), context)?;
    given.clone_into(&mut record.url);
    record.resolved_commit = commit.to_string();
    record.resolved_ref.clone_from(&record.resolved_commit);
    let facts =
        [("resolved_commit", &record.resolved_commit), ("ref", &record.reference), ("url", &record.url)];
    let facts = facts.map(|(name, value)| (name.to_owned(), value.as_str().into()));
    record.provenance = Map::from_iter([("type".to_owned(), record.kind.as_str().into())]);
    record.provenance.extend(facts.clone());
    record.metadata.extend(facts);
    Ok(record)
}

/// The checked address: a folder in an allowed one, without links, or a repository on an allowed machine.
fn address(given: &str, context: &SourceContext<'_>) -> Result<RemoteUrl, SourceError> {
    let invalid = |detail: &dyn std::fmt::Display| SourceError::new("invalid git url", detail);
    let Some(path) = local_path(given) else {
        let url = RemoteUrl::parse(given).map_err(|error| invalid(&error).hint(ADDRESSES))?;
        return context.rules.check_host(&url).map(|()| url);
    };
    let path = path.ok_or_else(|| invalid(&"a file address is file:///path/to/repository"))?;
    let folder = context.rules.folder(&path)?;
    check_inside(&folder, context)?;
    RemoteUrl::parse(&folder.to_string_lossy()).map_err(|error| invalid(&error))
}

/// The path of a local repository; nothing inside for a file address without one, nothing at all for another address.
fn local_path(given: &str) -> Option<Option<Cow<'_, str>>> {
    if let Some(rest) = given.strip_prefix("file:") {
        let path = match rest.strip_prefix("//") {
            Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
            None => rest,
        };
        return Some(path.starts_with('/').then(|| decoded(path)).flatten());
    }
    let is_path = given.starts_with(['/', '.', '~']) || !given.contains(':');
    (is_path && !given.starts_with('-')).then_some(Some(Cow::Borrowed(given)))
}

/// A path in an address, as git decodes it.
fn decoded(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => u8::from_str_radix(std::str::from_utf8(&[rest.next()?, rest.next()?]).ok()?, 16).ok()?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Checks that what a local repository has elsewhere is in an allowed folder, too: its `.git`, and objects that it borrows.
fn check_inside(folder: &Path, context: &SourceContext<'_>) -> Result<(), SourceError> {
    let inside = |path: &Path| {
        let real = fs::canonicalize(path).ok().filter(|real| context.rules.contains(real));
        real.ok_or_else(|| SourceError::not_allowed("a part of the repository is not in an allowed folder"))
    };
    let own = folder.join(".git");
    let git_dir = match fs::metadata(&own) {
        Ok(found) if found.is_file() => inside(&folder.join(pointer(&own, "gitdir: ")?))?,
        Ok(_) => inside(&own)?,
        Err(_) => folder.to_owned(),
    };
    let common = match git_dir.join("commondir") {
        file if file.exists() => inside(&git_dir.join(pointer(&file, "")?))?,
        _ => git_dir,
    };
    let objects = inside(&common.join("objects")).map_err(|error| match common.join("objects").exists() {
        true => error,
        false => failed("there is no git repository"),
    })?;
    let borrowed = objects.join("info/alternates");
    if borrowed.exists() {
        for line in pointer(&borrowed, "")?.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            inside(&objects.join(line))?;
        }
    }
    Ok(())
}

/// What a small file points to.
fn pointer(file: &Path, prefix: &str) -> Result<String, SourceError> {
    let mut text = String::new();
    let read = open_regular(file).and_then(|file| file.take(MAX_POINTER).read_to_string(&mut text));
    read.map_err(|error| failed(format!("the repository cannot be read: {error}")))?;
    Ok(text.strip_prefix(prefix).unwrap_or(&text).trim_end().to_owned())
}

/// The repository that is fetched into, made when it is missing.
fn copy(place: &Folder, path: &Path) -> Result<PathBuf, SourceError> {
    let copy = path.join(COPY);
    if place.kind(COPY).map_err(unwritten)? != Some(Kind::Folder) {
        let temp = tempfile::Builder::new().prefix(".new-").tempdir_in(path).map_err(unwritten)?;
        let made = temp.path().join(COPY);
        GitCommand::new()
            .env("GIT_DEFAULT_HASH", "sha1")
            .env("GIT_DEFAULT_REF_FORMAT", "files")
            .args(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--"])
            .arg(&made)
            .run()
            .map_err(|error| SourceError::failed(&error))?;
        place.remove_tree(COPY).map_err(|left| unwritten(left.into()))?;
        fs::rename(&made, &copy).map_err(unwritten)?;
    }
    Ok(copy)
}

/// Fetches what is wanted; the commit that it is.
fn fetch(
    url: &RemoteUrl,
    wanted: &GitRef,
    copy: &Path,
    context: &SourceContext<'_>,
) -> Result<CommitId, SourceError> {
    let ssh_config = Some(context.data.ssh_config()).filter(|path| path.is_file());
    let signs = RemoteSigns {
        ssh_config: ssh_config.as_deref(),
        environment: context.environment,
        instance: context.instance,
        cancel: context.cancel,
    };
    let remote = Remote::allowed(url, copy, signs);
    let unreachable = |trouble: Trouble| failed(trouble.text);
    let from = match wanted {
        GitRef::Commit(commit) => commit.to_string(),
        GitRef::Named(names) => {
            let asked: Vec<&str> = names.iter().map(String::as_str).collect();
            let listed = remote.list_refs(&asked, context.time.query).map_err(unreachable)?;
            let listed = String::from_utf8_lossy(&listed);
            let chosen = GitRef::choose(names, &listed);
            chosen
                .ok_or_else(|| failed(format!("the repository has no {}", GitRef::shown(names))))?
                .to_owned()
        }
    };
    let refspec = Refspec { from: &from, into: FETCHED };
    remote.fetch(&refspec, context.time.fetch).map_err(unreachable)?;
    let fetched = format!("{FETCHED}^{{commit}}");
    let found = GitCommand::in_repo(copy)
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options", &fetched])
        .run();
    let found = found.map_err(|_| failed(format!("{} is not a commit", Quoted::new(&from))))?;
    CommitId::parse(String::from_utf8_lossy(&found).trim()).map_err(failed)
}

/// Writes the files of a commit into a folder of its own, unless it is there. It appears complete.
fn checkout(
    copy: &Path,
    commit: CommitId,
    (place, path): (&Folder, &Path),
    context: &SourceContext<'_>,
) -> Result<(), SourceError> {
    let name = commit.to_string();
    if place.kind(&name).map_err(unwritten)? == Some(Kind::Folder) {
        return Ok(());
    }
    let temp = tempfile::Builder::new().prefix(".new-").tempdir_in(path).map_err(unwritten)?;
    let repo = Repo::open(copy).map_err(|error| failed(chain(&error)))?;
    repo.checkout(commit, temp.path(), context.is_wanted).map_err(|error| failed(chain(&error)))?;
    fs::rename(temp.path(), path.join(name)).map_err(unwritten)
}

#[cfg(test)]
#[path = "git_tests.rs"]
mod tests;
