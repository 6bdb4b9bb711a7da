//! `phantom_ci`: translates the commands and files of that program into quire's. It decides nothing about watches, runs or
//! messages: docs/phantom_ci.md describes each command.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::app::{self, ListRuns, forget_remotes, list_runs, watch_status};
use crate::cli::access::{self, Access};
use crate::cli::ask::here;
use crate::cli::exit::{Code, Ended, Failure, print};
use crate::cli::leave;
use crate::cli::logs;
use crate::cli::place::{make_data_dir, variable};
use crate::cli::runs;
use crate::cli::serve::{ServeExtras, serve_alone};
use crate::cli::service::{Program, install_program};
use crate::config::{
    ConfigError, DEFAULT_BRANCH, DataDir, ListedWatch, WatchDecl, is_same, read_list_file, read_watch_list,
};
use crate::executor;
use crate::model::{BranchName, RemoteUrl, RepoName, render_all, suggest};
use crate::notify::{DOTENV, read_dotenv, warn_of_dotenv};
use crate::sys::lock;
use crate::sys::search_path::find_program;
use crate::view::{RunView, one_line};
use crate::watch::WatchState;

/// The file name by which this program is known.
pub(super) const NAME: &str = "phantom_ci";

/// The variables that are used from `.env`.
const VARIABLES: [&str; 2] = ["DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL"];

/// The largest `.env`, in bytes.
const MAX_DOTENV: u64 = 64 << 10;

/// The most runs that `jobs` lists.
const MAX_RUNS: usize = 50;

/// The commands.
const WORDS: [&str; 7] = ["add", "configure", "repo", "jobs", "logs", "reset", "help"];

const HELP: &str = "\
phantom_ci: watches branches and runs their workflows. This is quire, called by another name.

phantom_ci                      watch and run; it listens nowhere
phantom_ci add PATH [BRANCH]    write a repository into Repo.toml [branch: master]
phantom_ci configure service    have systemd start it (--print only prints the unit)
phantom_ci repo                 the repositories, with the last run of each
phantom_ci jobs                 the runs, newest first
phantom_ci logs [REPO]          the output of the last run
phantom_ci reset                forget what is known of the remotes and empty the caches
phantom_ci help | --version
";

/// The paths of its files.
struct Places {
    config: PathBuf,
    data: DataDir,
}

/// Runs a command.
pub(super) fn run() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    // A copy of the binary under this name also starts its runners.
    if words.first().is_some_and(|word| word == "runner" || word == executor::WORD) {
        return crate::cli::run();
    }
    leave(perform(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn perform(words: &[&str]) -> Ended {
    match words {
        [] => watch(&places()?),
        ["help" | "--help" | "-h", ..] => {
            print(HELP);
            Ok(Code::Done)
        }
        ["--version" | "-V"] => {
            print(&format!("{NAME} (quire {})\n", env!("CARGO_PKG_VERSION")));
            Ok(Code::Done)
        }
        ["add", path] => add(&places()?, path, DEFAULT_BRANCH),
        ["add", path, branch] => add(&places()?, path, branch),
        ["configure", "service"] => configure(&places()?, false),
        ["configure", "service", "--print"] => configure(&places()?, true),
        ["repo"] => repositories(&places()?),
        ["jobs"] => {
            let none = format!("no runs yet; {NAME} runs new commits on the branches in Repo.toml");
            runs::list_or_note(&places()?.data, None, (MAX_RUNS, false), &none)
        }
        ["logs"] => output(&places()?, None),
        ["logs", repo] => output(&places()?, Some(repo)),
        ["reset"] => reset(&places()?),
        [known, ..] if WORDS.contains(known) => {
            Err(Failure::new(Code::Usage, format!("invalid arguments for `{known}`"))
                .hint(format!("`{NAME} help` lists them")))
        }
        [other, ..] => {
            let unknown = Failure::new(Code::Usage, format!("unknown command `{}`", one_line(other)));
            Err(match suggest(other, WORDS) {
                Some(near) => unknown.hint(format!("did you mean `{near}`?")),
                None => unknown.hint(format!("`{NAME} help` lists all commands")),
            })
        }
    }
}

fn places() -> Result<Places, Failure> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let missing = || Failure::new(Code::Usage, "`$HOME` is not set");
    let home = || absolute("HOME").ok_or_else(missing);
    let data = absolute("XDG_DATA_HOME").map_or_else(|| home().map(|home| home.join(".local/share")), Ok)?;
    let config = match absolute("XDG_CONFIG_HOME") {
        Some(config) if !cfg!(target_os = "macos") => config.join(NAME),
        Some(_) | None if cfg!(target_os = "macos") => {
            home()?.join("Library/Application Support/com.helloimalemur.phantom_ci")
        }
        Some(_) | None => home()?.join(".config").join(NAME),
    };
    Ok(Places { config, data: DataDir::new(data.join(NAME)) })
}

impl Places {
    fn list(&self) -> PathBuf {
        self.config.join("Repo.toml")
    }

    /// The text of the list and its entries.
    fn listed(&self) -> Result<(String, Vec<ListedWatch>), Failure> {
        let path = self.list();
        let text = read_list_file(&path).map_err(|error| match error {
            ConfigError::Wrong(wrong) => Failure::mistakes(&wrong),
            ConfigError::Read { .. } => Failure::broken(&error),
        })?;
        let text = text.unwrap_or_default();
        let listed =
            read_watch_list(&path.display().to_string(), &text).map_err(|wrong| Failure::mistakes(&wrong))?;
        Ok((text, listed))
    }
}

/// Without a command: watches and runs, and listens nowhere.
fn watch(places: &Places) -> Ended {
    let list = places.list();
    if places.listed()?.1.is_empty() {
        eprintln!("warning: `{}` lists no repository yet", list.display());
        eprintln!("hint: `{NAME} add PATH BRANCH`");
    }
    let data = make_data_dir(places.data.clone(), "choose another folder with `$XDG_DATA_HOME`")?;
    let variables = variables(&places.config.join(DOTENV))?;
    serve_alone(data, ServeExtras { watch_list: Some(list), shows_output: true, variables })
}

/// The variables of `.env`; errors in its other lines are logged.
fn variables(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_DOTENV).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(path, &error)),
    }
    let (pairs, mut wrong) = read_dotenv(&text);
    let mode = fs::metadata(path).ok().map(|there| std::os::unix::fs::MetadataExt::mode(&there));
    wrong.extend(warn_of_dotenv(&pairs, &VARIABLES, mode));
    wrong.iter_mut().for_each(|wrong| wrong.file = path.display().to_string());
    eprint!("{}", render_all(&wrong));
    Ok(pairs.into_iter().filter(|(name, _)| VARIABLES.contains(&name.as_str())).collect())
}

fn add(places: &Places, path: &str, branch: &str) -> Ended {
    let mut wrong = String::new();
    let mut report =
        |message: String, hint: &str| wrong.push_str(&format!("error: {message}\nhint: {hint}\n"));
    let here = Path::new(path).canonicalize().ok().filter(|_| !path.contains(':'));
    let address = here.map_or(path.to_owned(), |here| here.to_string_lossy().into_owned());
    let url = RemoteUrl::parse(&address).map_err(|error| report(error.to_string(), error.hint)).ok();
    let branch = BranchName::parse(branch).map_err(|error| report(error.to_string(), "name one branch")).ok();
    let name = url.as_ref().map(|url| RepoName::parse(url.last_part()));
    let name = name.and_then(|name| {
        name.map_err(|error| report(error.to_string(), "write it into Repo.toml by hand, under another name"))
            .ok()
    });
    let (Some(url), Some(branch), Some(name)) = (url, branch, name) else {
        return Err(Failure { code: Code::Usage, text: wrong });
    };
    let (text, listed) = places.listed()?;
    let list = places.list();
    if let Some(there) = listed.iter().find(|listed| is_same(&listed.watch.name, &name)) {
        let (line, there) = (there.place.line, &there.watch);
        let message = format!(
            "{}:{line} already has `{}`: {} of {}",
            list.display(),
            there.name,
            there.branch,
            there.url
        );
        return Err(
            Failure::new(Code::Failed, message).hint("change this entry, or add a table with another name")
        );
    }
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let (key, path, branch_text) = (quoted(name.as_str()), quoted(url.as_str()), quoted(branch.as_str()));
    let is_bare = name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let key = if is_bare { name.to_string() } else { key };
    let separator = if text.is_empty() {
        ""
    } else if text.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    };
    let text = format!("{text}{separator}[{key}]\npath = {path}\ntarget_branch = {branch_text}\n");
    write(&list, &text).map_err(|error| at(&list, &error))?;
    print(&format!("watching {branch} of {url} as {name}, listed in {}\n", list.display()));
    if is_running(places) {
        print("the running server applies this within a minute\n");
    }
    Ok(Code::Done)
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

fn configure(places: &Places, print: bool) -> Ended {
    let names = ["XDG_DATA_HOME", "XDG_CONFIG_HOME"];
    let variables = names.into_iter().filter_map(|name| Some((name.to_owned(), variable(name)?))).collect();
    let program = Program {
        unit: "phantom_ci.service",
        about: "phantom_ci, which watches branches and runs their workflows",
        removal: "`systemctl --user disable --now phantom_ci.service` stops it; then this file can be deleted",
        binary: called()?,
        serves: false,
        variables,
    };
    install_program(program, &places.data, print)
}

/// The path that this program was called by: the name of the link selects the program.
fn called() -> Result<PathBuf, Failure> {
    let first = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let searched = variable("PATH").unwrap_or_default();
    let path =
        if first.components().count() > 1 { Some(first) } else { find_program(first, searched.as_ref()) };
    path.and_then(|path| std::path::absolute(path).ok())
        .ok_or_else(|| Failure::new(Code::Broken, format!("`{NAME}` is not in `$PATH`")))
}

/// The repositories of the list, each with its state and its last run.
fn repositories(places: &Places) -> Ended {
    let (_, listed) = places.listed()?;
    let text = here(&places.data, async |app| {
        let mut text = String::new();
        for ListedWatch { watch, .. } in &listed {
            let status = watch_status(app, watch.clone()).await.ok().flatten();
            let state = status.as_ref().map_or(WatchState::New.as_str(), |status| &status.state);
            let WatchDecl { name, branch, url, .. } = watch;
            text.push_str(&format!("{state:<11} {name}\n            {branch} of {url}\n"));
            if let Some(error) = status.as_ref().and_then(|status| status.error.as_deref()) {
                text.push_str(&format!("            {}\n", one_line(error)));
            }
            // A repository that was not looked at yet has no runs.
            let runs = list_runs(app, ListRuns { repo: Some(name.clone()), limit: 1 }).await;
            text.extend(runs.unwrap_or_default().first().map(last_run));
        }
        Ok(text)
    })?;
    if listed.is_empty() {
        eprintln!("hint: no repository is listed yet: `{NAME} add PATH BRANCH`");
    }
    print(&text);
    Ok(Code::Done)
}

/// A line about a run, and one about each of its jobs.
fn last_run(run: &RunView) -> String {
    let word = |outcome: Option<crate::model::Outcome>, else_word: &'static str| {
        outcome.map_or(else_word, crate::model::Outcome::as_str)
    };
    let row = &run.row;
    let state = word(run.outcome(), run.progress().as_str());
    let commit = row.event.subject.as_ref().map_or_else(|| "-".to_owned(), |update| update.new.short());
    let mut text = format!("            {}#{} {state}, {commit}\n", row.repo, row.number);
    for job in &run.record.jobs {
        text.push_str(&format!("            {:<10} {}\n", word(job.outcome, "waiting"), job.id));
    }
    text
}

/// The output of the last run, of one repository or of all.
fn output(places: &Places, repo: Option<&str>) -> Ended {
    let repo = repo.map(RepoName::parse).transpose();
    let repo = repo.map_err(|error| {
        Failure::new(Code::Usage, error).hint(format!("`{NAME} repo` lists the repositories"))
    })?;
    let none = || {
        let of = repo.as_ref().map(|repo| format!(" of {repo}")).unwrap_or_default();
        Failure::not_found(format!("no run{of} yet")).hint(format!("`{NAME} repo` lists the repositories"))
    };
    let request = ListRuns { repo: repo.clone(), limit: 1 };
    let runs = match here(&places.data, async |app| list_runs(app, request).await) {
        Err(problem) if problem.code == app::Code::RepoNotFound => Vec::new(),
        runs => runs?,
    };
    let row = &runs.first().ok_or_else(none)?.row;
    let options = logs::Options { job: None, follow: false, json: false };
    logs::logs(&places.data, &format!("{}#{}", row.repo, row.number), options)
}

/// Forgets the state of the remotes and empties the caches; runs, their logs and the copies stay.
fn reset(places: &Places) -> Ended {
    if !places.data.path().is_dir() {
        print("nothing to reset yet\n");
        return Ok(Code::Done);
    }
    if is_running(places) {
        let hint = "stop it first: it uses the state of the remotes";
        return Err(Failure::new(Code::Failed, format!("`{NAME}` is running")).hint(hint));
    }
    access::check(&places.data, Access::Write)?;
    let (count, files) = here(&places.data, forget_remotes)?;
    print(&format!("reset the state of {count} remotes, removed {files} cached files; runs and logs stay\n"));
    Ok(Code::Done)
}

fn is_running(places: &Places) -> bool {
    lock::is_held(&places.data.server_lock()).unwrap_or(false)
}

fn at(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::Broken, format!("{}: {error}", path.display()))
}
