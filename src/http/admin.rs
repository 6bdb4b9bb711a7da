//! What commands ask the server for, over the Unix socket: cancel and rerun.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use crate::app::{AppState, Wake};
use crate::model::{RunId, RunName};
use crate::run::rerun;
use crate::store;

/// Who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    by: Option<String>,
}

fn answer(status: StatusCode, value: serde_json::Value) -> Response {
    (status, axum::Json(value)).into_response()
}

fn failed(problem: impl std::fmt::Display) -> Response {
    answer(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": problem.to_string() }))
}

/// `POST /runs/{id}/cancel`: 200 when the run was told to stop, 409 when it has ended, 404 when there is none.
pub(super) async fn cancel(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Json(asked): Json<Asked>,
) -> Response {
    let Some(id) = RunId::parse(&id) else {
        return answer(StatusCode::NOT_FOUND, json!({ "error": "no such run" }));
    };
    let (sender, told) = oneshot::channel();
    app.tell(Wake::Cancel { run: id, by: asked.by, answer: sender }).await;
    match told.await {
        Ok(Ok(())) => answer(StatusCode::OK, json!({ "cancelled": id.to_string() })),
        Ok(Err(problem)) => answer(StatusCode::CONFLICT, json!({ "error": problem })),
        Err(_) => failed("the server is on its way out"),
    }
}

/// `POST /runs/{id}/rerun`: 201 with the name of the new run, 404 when there is none.
pub(super) async fn rerun_run(
    State(app): State<AppState>,
    Path(id): Path<String>,
    Json(asked): Json<Asked>,
) -> Response {
    let Some(id) = RunId::parse(&id) else {
        return answer(StatusCode::NOT_FOUND, json!({ "error": "no such run" }));
    };
    let made = app.store.call(move |connection| {
        let Some(row) = store::find_run(connection, &RunName::Id(id))? else { return Ok(None) };
        rerun(connection, &row, asked.by.as_deref()).map(Some)
    });
    match made.await {
        Ok(Ok(Some((new, row)))) => {
            app.live.open(new);
            app.tell(Wake::Queued).await;
            answer(
                StatusCode::CREATED,
                json!({ "id": new.to_string(), "repo": row.repo.as_str(), "number": row.number }),
            )
        }
        Ok(Ok(None)) => answer(StatusCode::NOT_FOUND, json!({ "error": "no such run" })),
        Ok(Err(error)) => failed(error),
        Err(error) => failed(error),
    }
}

/// `GET /runs/{id}/end`: answers when the run has ended.
pub(super) async fn end(State(app): State<AppState>, Path(id): Path<String>) -> Response {
    let Some(id) = RunId::parse(&id) else {
        return answer(StatusCode::NOT_FOUND, json!({ "error": "no such run" }));
    };
    if let Some(mut live) = app.live.follow(id) {
        // The channel closes when the end of the run is in the database.
        while live.changed().await.is_ok() {}
    }
    answer(StatusCode::OK, json!({ "ended": id.to_string() }))
}

/// `POST /reset-caches`: 200 with a line; the connection ends when the server is gone. It starts again by itself.
pub(super) async fn reset_caches(State(app): State<AppState>) -> Response {
    let (sender, receiver) = mpsc::channel::<Result<&'static str, Infallible>>(1);
    tokio::spawn(async move {
        if sender.send(Ok("{\"restarts\":true}\n")).await.is_ok() {
            // There is room again when the line has been taken to be sent.
            let _taken = sender.reserve().await.is_ok();
            app.start_again.notify_one();
        }
        // The answer must not end before the server does: that is how the asker knows.
        std::future::pending::<()>().await;
    });
    Body::from_stream(ReceiverStream::new(receiver)).into_response()
}
