//! Plain-text pages.

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::app::App;
use crate::model::{RepoName, RunName};
use crate::store;
use crate::view::{LogFollower, RunView, plain, run_page};

/// The most bytes of output on a page; the whole is in `quire logs`.
const MAX_OUTPUT: usize = 1 << 20;

/// `GET /healthz`: 200 when the server is ready, 503 with the reasons when it cannot do all of its work.
pub(super) async fn healthz(State(app): State<App>) -> Response {
    let troubles = app.health.troubles();
    if troubles.is_empty() {
        return text(StatusCode::OK, "ok\n".to_owned());
    }
    text(StatusCode::SERVICE_UNAVAILABLE, format!("degraded: {}\n", troubles.join("; ")))
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "there is nothing here\n".to_owned())
}

/// `GET /{repo}/run/{number}`: the run and its output.
pub(super) async fn page(State(app): State<App>, uri: Uri) -> Response {
    let Some(name) = run_name(uri.path()) else { return not_found() };
    let found = app.store.call(move |connection| store::find_run(connection, &name)).await;
    let Ok(Ok(Some(row))) = found else { return not_found() };
    let run_dir = app.data.run(&row.repo, row.number);
    let view = app.view(row).await;
    let page = run_page(&view);
    let output = tokio::task::spawn_blocking(move || output(&run_dir, &view)).await.unwrap_or_default();
    text(StatusCode::OK, page + &output)
}

/// The run whose page is at a path. There is one path for each: nothing is decoded and nothing left out.
fn run_name(path: &str) -> Option<RunName> {
    let (repo, number) = path.strip_prefix('/')?.rsplit_once("/run/")?;
    let (repo, number) = (RepoName::parse(repo).ok()?, number.parse::<u64>().ok()?);
    let is_its_own = path == format!("/{repo}/run/{number}");
    is_its_own.then_some(RunName::Number(repo, number))
}

/// The output of all jobs, each line behind the name of its job.
fn output(run_dir: &std::path::Path, run: &RunView) -> String {
    let mut follower = LogFollower::new(run_dir, None);
    let lines = if run.has_ended() { follower.finish() } else { follower.read(&run.record) };
    let lines = lines.unwrap_or_default();
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        if out.len() > MAX_OUTPUT {
            out.push_str(&format!("\n{} more lines: see  quire logs\n", lines.len() - index));
            break;
        }
        let job = line.job.as_deref().unwrap_or("quire");
        out.push_str(&format!("{job} │ {}\n", plain(&String::from_utf8_lossy(&line.bytes))));
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}
