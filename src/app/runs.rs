//! Runs: find, list, show, cancel.

use std::time::Duration;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::local::serves_without_socket;
use super::operation::Operation;
use super::problem::{Code, Problem};
use super::run_changes::RunChanges;
use super::state::{AppState, Wake};
use crate::forge;
use crate::intake::recorded_name;
use crate::journal::StopReason;
use crate::model::{AuditAction, RepoName, RunId, RunName};
use crate::run::{Answer, Control as _, Lease as _, Message, RunLock, RunSocket};
use crate::store;
use crate::sys::clock;
use crate::view::{RunView, one_line, plain};

pub(crate) use crate::store::{RunFilter, RunRow};

/// How long the runner of a queued run is waited for, when the server that starts it cannot be asked.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// A run is to stop.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelRun {
    /// Its name or id.
    pub(crate) run: String,
    /// Who asks.
    pub(crate) by: Option<String>,
}

/// The names of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NamedRun {
    pub(crate) id: String,
    pub(crate) repo: String,
    /// Its number there.
    pub(crate) number: u64,
}

impl NamedRun {
    pub(super) fn new(row: &RunRow) -> Self {
        Self { id: row.id.to_string(), repo: row.repo.to_string(), number: row.number }
    }
}

/// The run of a name or id.
///
/// # Errors
/// When the name is invalid, or no run has it.
pub(crate) async fn find_run(app: &AppState, text: &str) -> Result<RunRow, Problem> {
    let name = RunName::parse(text).map_err(|error| {
        let hint = meant_run(text).unwrap_or_else(|| "quire runs lists them".to_owned());
        Problem::caused_by(Code::RequestInvalid, &error).hint(hint)
    })?;
    let shown = name.to_string();
    let data = app.data.clone();
    let found = app.store.read(move |connection| {
        let recorded = match name {
            RunName::Number(repo, number) => {
                RunName::Number(recorded_name(connection, &data, &repo)?, number)
            }
            RunName::Id(_) => name,
        };
        store::find_run(connection, &recorded)
    });
    let found = found.await??;
    found.ok_or_else(|| {
        if !app.data.database().exists() {
            let text = format!("no runs in {}", app.data.path().display());
            return Problem::new(Code::RunNotFound, text)
                .hint("is this the data folder? name another with --data");
        }
        Problem::new(Code::RunNotFound, format!("run {shown} does not exist")).hint("quire runs lists them")
    })
}

/// The run of a name or id, or the latest run of a repository.
///
/// # Errors
/// When the name is invalid, or no run has it.
pub(crate) async fn find_run_or_latest(app: &AppState, text: &str) -> Result<RunRow, Problem> {
    let Some(repo) = RepoName::parse(text).ok().filter(|_| RunName::parse(text).is_err()) else {
        return find_run(app, text).await;
    };
    let runs = list_runs(app, RunFilter::newest(Some(repo), 1)).await;
    let runs = runs.map_err(|problem| match meant_run(text) {
        Some(hint) if problem.code == Code::RepoNotFound => problem.hint(hint),
        _ => problem,
    })?;
    let none = || Problem::new(Code::RunNotFound, format!("`{text}` has no runs yet"));
    runs.into_iter().next().ok_or_else(none)
}

/// What may be meant by a text that names no run: a number alone, or one behind another sign than `#`.
fn meant_run(text: &str) -> Option<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(text) {
        return Some(format!("a run is written with its repository: `REPO#{text}`; quire runs lists them"));
    }
    let (repo, number) = text.rsplit_once(['/', ':', '@', '.', ' '])?;
    let meant = RunName::parse(&format!("{repo}#{number}")).ok().filter(|_| is_number(number))?;
    Some(format!("did you mean `{meant}`?"))
}

/// Runs, newest first.
///
/// # Errors
/// The repository that is named does not exist, or the database cannot be read.
pub(crate) async fn list_runs(app: &AppState, filter: RunFilter) -> Result<Vec<RunRow>, Problem> {
    read_runs(app, filter, |_, rows| Ok(rows)).await
}

/// The same list, and what `also` reads about it at the same moment.
pub(super) async fn read_runs<T: Send + 'static>(
    app: &AppState,
    filter: RunFilter,
    also: impl FnOnce(&Connection, Vec<RunRow>) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    if let Some(name) = &filter.repo
        && !name.is_of_jobs()
        && forge::find(app.data.path(), name).is_err()
        && !app.data.watched_repo(name).is_dir()
    {
        return Err(Problem::new(Code::RepoNotFound, format!("repository `{name}` not found"))
            .hint("quire repo list and quire watch list list them"));
    }
    let data = app.data.clone();
    let read = app.store.read(move |connection| {
        let repo = filter.repo.as_ref().map(|repo| recorded_name(connection, &data, repo)).transpose()?;
        also(connection, store::list_runs(connection, &RunFilter { repo, ..filter })?)
    });
    Ok(read.await??)
}

/// A run as screens see it.
///
/// # Errors
/// When no run has the name.
pub(crate) async fn show_run(app: &AppState, text: &str) -> Result<RunView, Problem> {
    let row = find_run(app, text).await?;
    Ok(app.view(row).await)
}

/// The problem that the journal of a run cannot be read, when it cannot.
///
/// # Errors
/// That one.
pub(crate) fn expect_readable(view: &RunView) -> Result<(), Problem> {
    let unreadable = |problem: &String| Problem::new(Code::RunUnreadable, plain(problem));
    view.problem.as_ref().map_or(Ok(()), |problem| Err(unreadable(problem)))
}

impl Operation for CancelRun {
    type Answer = NamedRun;

    const ROUTE: &'static str = "/runs/cancel";

    /// A runner that does not answer is killed after ten seconds, and its run is settled then.
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn perform(self, app: &AppState) -> Result<NamedRun, Problem> {
        let row = find_run(app, &self.run).await?;
        let finished = || Problem::new(Code::RunFinished, format!("{} has ended already", self.run));
        if app.view(row.clone()).await.has_ended() {
            return Err(finished());
        }
        let named = NamedRun::new(&row);
        let entry = app.entry(AuditAction::RunCancel).on(format_args!("{}#{}", row.repo, row.number));
        if app.local.is_some() {
            cancel_without_server(app, row, self.by).await?;
            app.audit(entry);
            return Ok(named);
        }
        let (answer, answered) = oneshot::channel();
        app.wake(Wake::Cancel { run: row.id, by: self.by.clone(), answer }).await;
        match answered.await {
            Ok(Ok(())) => {
                tracing::info!(
                    "run {}#{} is cancelled{}",
                    row.repo,
                    row.number,
                    shown_by(self.by.as_deref())
                );
                app.audit(entry);
                Ok(named)
            }
            Ok(Err(problem)) if problem.code == Code::RunFinished => Err(finished()),
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(store::WriterGone.into()),
        }
    }
}

/// ` by ada`
pub(super) fn shown_by(by: Option<&str>) -> String {
    by.map(|by| format!(" by {}", one_line(by))).unwrap_or_default()
}

/// Cancels a run: its runner hears it by itself, and a run without a runner is ended in the database.
async fn cancel_without_server(app: &AppState, row: RunRow, by: Option<String>) -> Result<(), Problem> {
    let run_dir = app.data.run(&row.repo, row.number);
    let stop = Message::Stop { reason: StopReason::Cancelled { by: by.clone() } };
    let mut control = RunSocket::new(run_dir.clone());
    let (changes, deadline) = (RunChanges::of(app, &row)?, Instant::now() + START_PATIENCE);
    while Instant::now() < deadline {
        let decider = changes.watch(app, &row, Vec::new())?;
        control.send(&stop).await;
        if control.answer().await == Some(Answer::Heard) {
            return Ok(());
        }
        // A server that cannot be asked may be about to start its runner.
        if !serves_without_socket(&app.data) {
            break;
        }
        if let Ok(changed) = tokio::time::timeout_at(deadline, changes.next(&decider)).await {
            changed?;
        }
    }
    // A run whose runner lives must not have an end while its steps continue.
    if RunLock::of(&run_dir).is_held().map_err(|error| Problem::failed(&error))? {
        let text = format!("the runner of {}#{} does not answer", row.repo, row.number);
        return Err(
            Problem::new(Code::RunSilent, text).hint("quire serve ends runs whose runner does not answer")
        );
    }
    end_queued(app, row.id, by).await
}

/// Ends a run that has no runner, because somebody cancelled it.
///
/// # Errors
/// When the end cannot be recorded.
pub(crate) async fn end_queued(app: &AppState, id: RunId, by: Option<String>) -> Result<(), Problem> {
    let (outcome, reason) = StopReason::Cancelled { by }.end();
    let end =
        move |connection: &mut _| store::finish_run(connection, id, outcome, Some(&reason), clock::now());
    app.writer()?.call(end).await??;
    Ok(())
}
