//! `add`: a repository is written into `Repo.toml`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::files::{Files, at};
use crate::cli::exit::{Code, Ended, Failure, print};
use crate::config::{DEFAULT_BRANCH, ListedWatch, is_same, name_with_branch};
use crate::model::{BranchName, RemoteUrl, RepoName};

/// Writes a repository into the list.
pub(super) fn add(files: &Files, (path, branch): (&str, Option<&str>), name: Option<&str>) -> Ended {
    let mut wrong = String::new();
    let mut report =
        |message: String, hint: &str| wrong.push_str(&format!("error: {message}\nhint: {hint}\n"));
    let here = Path::new(path).canonicalize().ok().filter(|_| !path.contains(':'));
    let address = here.map_or(path.to_owned(), |here| here.to_string_lossy().into_owned());
    let url = RemoteUrl::parse(&address).map_err(|error| report(error.to_string(), error.hint)).ok();
    let branch = BranchName::parse(branch.unwrap_or(DEFAULT_BRANCH));
    let branch = branch.map_err(|error| report(error.to_string(), "name one branch")).ok();
    let last = url.as_ref().map(RemoteUrl::last_part);
    let named = name.or(last).map(RepoName::parse);
    let named = named.and_then(|name| {
        name.map_err(|error| report(error.to_string(), "choose another name with `--name NAME`")).ok()
    });
    let (Some(url), Some(branch), Some(named)) = (url, branch, named) else {
        return Err(Failure { code: Code::Usage, text: wrong });
    };
    let (text, listed) = files.listed()?;
    let list = files.list();
    let named = free_name(&listed, (&named, name.is_some()), (&url, &branch)).map_err(|there| {
        let (line, there) = (there.place.line, &there.watch);
        let (list, name, branch, url) = (list.display(), &there.name, &there.branch, &there.url);
        Failure::new(Code::Failed, format!("{list}:{line} already has `{name}`: {branch} of {url}"))
            .hint("change this entry, or choose another name with `--name NAME`")
    })?;
    let text = format!("{text}{}", table(&text, &named, (&url, &branch)));
    write(&list, &text).map_err(|error| at(&list, &error))?;
    print(&format!("watching {branch} of {url} as {named}, listed in {}\n", list.display()));
    print("the next commit runs; the current one is only recorded\n");
    if files.is_running() {
        print("the running server applies this within a minute\n");
    }
    Ok(Code::Done)
}

/// The name of a new entry: another branch of a repository that is listed gets the name of the branch as well.
fn free_name<'a>(
    listed: &'a [ListedWatch],
    (name, is_chosen): (&RepoName, bool),
    (url, branch): (&RemoteUrl, &BranchName),
) -> Result<RepoName, &'a ListedWatch> {
    let taken = |name: &RepoName| listed.iter().find(|listed| is_same(&listed.watch.name, name));
    let Some(there) = taken(name) else { return Ok(name.clone()) };
    let is_another_branch = there.watch.url == *url && there.watch.branch != *branch;
    if is_chosen || !is_another_branch {
        return Err(there);
    }
    let Some(with_branch) = name_with_branch(name, branch) else { return Err(there) };
    taken(&with_branch).map_or(Ok(with_branch.clone()), Err)
}

/// The text of a table that follows `before`.
fn table(before: &str, name: &RepoName, (url, branch): (&RemoteUrl, &BranchName)) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let is_bare = name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let key = if is_bare { name.to_string() } else { quoted(name.as_str()) };
    let separator = match before {
        "" => "",
        before if before.ends_with("\n\n") => "",
        before if before.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let (path, branch) = (quoted(url.as_str()), quoted(branch.as_str()));
    format!("{separator}[{key}]\npath = {path}\ntarget_branch = {branch}\n")
}

/// Replaces a file atomically; a link stays one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".Repo-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Ok(there) = fs::metadata(&path) {
        file.as_file().set_permissions(there.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}
