//! What runs and waits, over all repositories that lists show to the caller.

use askama::Template;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::ask::html;
use super::frame::Frame;
use super::front::Now;
use super::mark::Mark;
use crate::app::{AppState, Caller, unfinished_run_shapes};
use crate::http::problem::Refused;
use crate::view::JobShape;

/// How many jobs of a run are listed.
const MAX_JOBS: usize = 100;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    runs: Vec<(Now, Vec<Job>)>,
}

struct Job {
    id: String,
    mark: Mark,
    waits_for: Vec<String>,
}

/// `GET /queue`
pub(super) async fn page(app: &AppState, caller: &Caller, parts: &Parts) -> Result<Response, Refused> {
    let found = unfinished_run_shapes(app, caller).await?;
    let jobs = |jobs: &[JobShape]| {
        let is_open = |id: &String| jobs.iter().any(|job| job.id == *id && job.outcome.is_none());
        let open = jobs.iter().filter(|job| job.outcome.is_none()).take(MAX_JOBS);
        let job = |job: &JobShape| Job {
            id: job.id.clone(),
            mark: Mark::of_word(job.word()),
            waits_for: job.needs.iter().filter(|id| is_open(id)).cloned().collect(),
        };
        open.map(job).collect()
    };
    let runs: Vec<_> = found.iter().map(|(row, shape)| (Now::of(row), jobs(&shape.jobs))).collect();
    let mut frame = Frame { refresh: Some(5), kind: Some("queue"), ..Frame::new(caller, "Queue") };
    frame.icon = if runs.is_empty() { frame.icon } else { super::frame::Icon::Running };
    html((app, parts), StatusCode::OK, QueuePage { frame, runs }).await
}
