//! What commands ask the server for about watched repositories: add, remove, look now.

use std::time::Duration;

use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;

use crate::app::AppState;
use crate::config::WatchDecl;
use crate::model::{BranchName, RemoteUrl, RepoName, SecretName, chain};
use crate::sys::clock;
use crate::watch::{WatchError, WatchWake, add_watch};

/// A watch on its way from a command to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchFrame {
    name: String,
    url: String,
    branch: String,
    every_ms: u64,
    allow_private: bool,
    token: Option<String>,
}

/// A watch that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: Option<String>,
}

impl WatchFrame {
    /// The frame of a watch.
    pub fn new(watch: &WatchDecl) -> WatchFrame {
        WatchFrame {
            name: watch.name.to_string(),
            url: watch.url.to_string(),
            branch: watch.branch.to_string(),
            every_ms: u64::try_from(watch.every.as_millis()).unwrap_or(u64::MAX),
            allow_private: watch.allow_private,
            token: watch.token.as_ref().map(ToString::to_string),
        }
    }

    /// The watch itself.
    fn parse(&self) -> Result<WatchDecl, String> {
        let every = Duration::from_millis(self.every_ms);
        let token = self.token.as_deref().map(SecretName::parse).transpose();
        let watch = WatchDecl {
            name: RepoName::parse(&self.name).map_err(|error| error.to_string())?,
            url: RemoteUrl::parse(&self.url).map_err(|error| error.to_string())?,
            branch: BranchName::parse(&self.branch).map_err(|error| error.to_string())?,
            every: crate::config::check_every(every)?,
            allow_private: self.allow_private,
            token: token.map_err(|error| error.to_string())?,
        };
        watch.mistake().map_or(Ok(watch), |(problem, _)| Err(problem))
    }
}

fn answer(status: StatusCode, value: serde_json::Value) -> Response {
    (status, axum::Json(value)).into_response()
}

fn wrong(problem: &str) -> Response {
    answer(StatusCode::BAD_REQUEST, json!({ "error": problem }))
}

fn failed(problem: &str) -> Response {
    answer(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": problem }))
}

fn refused(error: &WatchError) -> Response {
    let status = match error {
        WatchError::Exists(_) | WatchError::InConfig(_) | WatchError::TooMany | WatchError::Copy(_) => {
            StatusCode::CONFLICT
        }
        WatchError::NotFound { .. } => StatusCode::NOT_FOUND,
        WatchError::NoSecret(_) => StatusCode::BAD_REQUEST,
        WatchError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    answer(status, json!({ "error": chain(error), "hint": error.hint() }))
}

/// `POST /watches`: 201 when the watch was added; 400 what is wrong with it; 409 why it cannot be.
pub(super) async fn add(State(app): State<AppState>, Json(frame): Json<WatchFrame>) -> Response {
    let watch = match frame.parse() {
        Ok(watch) => watch,
        Err(problem) => return wrong(&problem),
    };
    let (data, settings) = (app.data.clone(), std::sync::Arc::clone(&app.settings));
    let added = app
        .store
        .call(move |connection| add_watch(connection, &data, &settings.get(), (&watch, clock::now())));
    match added.await {
        Ok(Ok(())) => {
            tell(&app, WatchWake::Changed).await;
            answer(StatusCode::CREATED, json!({ "added": frame.name }))
        }
        Ok(Err(error)) => refused(&error),
        Err(error) => failed(&error.to_string()),
    }
}

/// `POST /watches/remove`: 200 when the watch is gone; 404; 409 why it stays.
pub(super) async fn remove(State(app): State<AppState>, Json(named): Json<Named>) -> Response {
    let name = match named.name.as_deref().map(RepoName::parse) {
        Some(Ok(name)) => name,
        Some(Err(error)) => return wrong(&error.to_string()),
        None => return wrong("which one is meant?"),
    };
    let (sender, told) = oneshot::channel();
    tell(&app, WatchWake::Remove { name: name.clone(), answer: sender }).await;
    match told.await {
        Ok(Ok(())) => answer(StatusCode::OK, json!({ "removed": name.as_str() })),
        Ok(Err(error)) => refused(&error),
        Err(_) => failed("the server is on its way out"),
    }
}

/// `POST /watches/now`: 200 with the names of the watches when they were looked at; 404.
pub(super) async fn now(State(app): State<AppState>, Json(named): Json<Named>) -> Response {
    let name = match named.name.as_deref().map(RepoName::parse).transpose() {
        Ok(name) => name,
        Err(error) => return wrong(&error.to_string()),
    };
    let (sender, told) = oneshot::channel();
    tell(&app, WatchWake::Now { name, answer: sender }).await;
    match told.await {
        Ok(Ok(names)) => {
            let names: Vec<&str> = names.iter().map(RepoName::as_str).collect();
            answer(StatusCode::OK, json!({ "looked": names }))
        }
        Ok(Err(error)) => refused(&error),
        Err(_) => failed("the server is on its way out"),
    }
}

async fn tell(app: &AppState, wake: WatchWake) {
    if app.watches.send(wake).await.is_err() {
        tracing::debug!("the watcher of remotes is closed");
    }
}
