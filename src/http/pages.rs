//! Plain-text pages.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use tokio::time::timeout;

use super::guarded::Guarded;
use super::problem::{Refused, status_of};
use super::router::busy;
use crate::app::{AppState, Caller, Code, Problem, RunRow};
use crate::config::DataDir;
use crate::model::{RepoName, Scope};
use crate::view::{
    Colours, EndLimit, LogLine, LogSizes, RunShape, RunView, SafeText, Screen, read_log_end, run_page,
};

/// The most bytes of each part of a page, and the most lines of output; the whole is in `quire show` and `quire logs`.
const MAX_OUTPUT: usize = 1 << 20;
const MAX_LINES: usize = 20_000;

/// How long a page waits for its turn, and for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// `GET /healthz`: 200 while the server lives.
pub(super) async fn healthz() -> Response {
    text(StatusCode::OK, "ok\n".to_owned())
}

/// `GET /readyz`: 200 when the server can take work, 503 with the reasons when it cannot do all of it.
pub(super) async fn readyz(State(app): State<AppState>) -> Result<Response, Refused> {
    let troubles = app.troubles().await;
    match troubles.is_empty() {
        true => Ok(text(StatusCode::OK, "ready\n".to_owned())),
        false => Err(Problem::new(Code::ServerDegraded, troubles.join("; "))
            .hint("the log of the server says more; quire doctor looks at everything")
            .into()),
    }
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "there is nothing here\n".to_owned())
}

/// `GET /`: what this is, and where to go from here.
pub(super) async fn welcome() -> Response {
    let body = "quire: git repositories, and the runs of their pipelines\n\n\
                /REPOSITORY/run/NUMBER   a run and its output\n\
                /login                   sign in with a token\n\
                /healthz                 whether the server lives\n\
                /readyz                  whether it can do its work\n\n\
                On the server: quire repo list, quire runs\n";
    text(StatusCode::OK, body.to_owned())
}

/// `GET /{repo}/run/{number}`: the run and the end of its output.
pub(super) async fn page(State(app): State<AppState>, caller: Caller, uri: Uri) -> Response {
    let Some(name) = run_name(uri.path()) else { return not_found() };
    let row = match caller.run_to_read(&app, Scope::RunsRead, &name).await {
        Ok(row) => row,
        Err(problem) if problem.code == Code::RunNotFound => return not_found(),
        Err(problem) => return text(status_of(&problem), format!("{problem}\n")),
    };
    let shows_logs = caller.run_to_read(&app, Scope::LogsRead, &name).await.is_ok();
    let Ok(Ok(memory)) = timeout(PATIENCE, Arc::clone(&app.pages).acquire_owned()).await else {
        return busy();
    };
    let (data, base) = (app.data.clone(), app.url.clone());
    let made = timeout(PATIENCE, app.read(move || render((&data, row, base.as_deref()), shows_logs))).await;
    let Ok(page) = made else { return busy() };
    let Some(page) = page else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "this run could not be read\n".to_owned());
    };
    // As long as somebody reads it, it is in memory.
    text(StatusCode::OK, page).map(|body| Body::new(Guarded::new(body, memory)))
}

/// Whether a path is that of a run.
pub(super) fn is_run(path: &str) -> bool {
    run_name(path).is_some()
}

/// The name of the run whose page is at a path. There is one path for each: nothing is decoded and nothing left out.
fn run_name(path: &str) -> Option<String> {
    let (repo, number) = path.strip_prefix('/')?.rsplit_once("/run/")?;
    let (repo, number) = (RepoName::parse(repo).ok()?, number.parse::<u64>().ok()?);
    let is_its_own = path == format!("/{repo}/run/{number}");
    is_its_own.then(|| format!("{repo}#{number}"))
}

/// The page of a run. Blocking.
fn render((data, row, base): (&DataDir, RunRow, Option<&str>), shows_logs: bool) -> String {
    let run_dir = data.run(&row.repo, row.number);
    let mut page = run_page(
        &RunShape::of(&RunView::load(data, row, base), &LogSizes::default(), Vec::new()),
        Screen::FILE,
    );
    if cut(&mut page, MAX_OUTPUT) {
        page.push_str("\n… more is shown by  quire show\n");
    }
    if !shows_logs {
        return page;
    }
    let end = read_log_end(&run_dir, None, EndLimit { bytes: MAX_OUTPUT as u64, lines: MAX_LINES });
    // From the last one on, as far as there is room.
    let mut room = MAX_OUTPUT;
    let fits = |line: &String| match room.checked_sub(line.len()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let output: Vec<String> = end.lines.iter().rev().map(output_line).take_while(fits).collect();
    if !end.lines.is_empty() {
        page.push('\n');
    }
    if end.is_cut || output.len() < end.lines.len() {
        page.push_str("… earlier output is shown by  quire logs\n");
    }
    page.extend(output.into_iter().rev());
    page
}

/// A line of output behind the name of its job.
fn output_line(line: &LogLine) -> String {
    let job = line.job.as_deref().unwrap_or("quire");
    let text = SafeText::of_output(&String::from_utf8_lossy(&line.bytes), Colours::Dropped);
    format!("{job} │ {}\n", text.as_str())
}

/// Cuts a text to a number of bytes; whether something was cut.
fn cut(text: &mut String, most: usize) -> bool {
    let end = (0..=most).rev().find(|place| text.is_char_boundary(*place)).unwrap_or_default();
    let is_longer = text.len() > most;
    if is_longer {
        text.truncate(end);
    }
    is_longer
}
