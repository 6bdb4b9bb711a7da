//! `flwd :serve`: that program's routes at `/`, over the same server. The Unix socket stays quire's own, so that commands reach
//! it.

mod access;
mod boot;
mod browser;
mod flags;
mod health;
mod http_metrics;
mod hub;
mod idempotency;
mod identity;
mod job_problem;
mod job_runs;
mod jobs;
mod jwt;
mod page;
mod problem;
mod router;
mod runs;
mod sources;
mod streams;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::response::IntoResponse as _;
use ring::hmac;

use super::place::data_dir;
use crate::app::{AppState, JobPlace};
use crate::cli::exit::{Code, Ended, Failure, print};
use crate::cli::place::{environment, variable};
use crate::cli::serve::{ServeExtras, serve_at};
use crate::cli::server_log::LogFormat;
use crate::config::Additions;
use crate::http::PublicRoutes;
use crate::sources::SourceRules;
use flags::ServeFlags;
use http_metrics::HttpMetrics;
use hub::Hub;
use idempotency::KeysInUse;
use problem::FlwdProblem;

/// What the handlers stand on. Clones share it.
#[derive(Clone)]
pub(super) struct FlwdState {
    app: AppState,
    flags: Arc<ServeFlags>,
    metrics: Arc<HttpMetrics>,
    hub: Hub,
    keys: KeysInUse,
    is_on_loopback: bool,
    /// The container engine.
    engine: &'static str,
    /// Runs that were accepted since the server has begun.
    accepted: Arc<AtomicU64>,
}

/// Serves until it is stopped.
pub(super) fn run(words: &[&str]) -> Ended {
    if words.iter().any(|word| matches!(*word, "--help" | "-h")) {
        print(flags::HELP);
        return Ok(Code::Done);
    }
    let flags = Arc::new(ServeFlags::read(words, variable)?);
    let variables = environment();
    let engine = boot::engine(&variables)?;
    let bundle = boot::bundle(&flags, variable("FLWD_POLICY_FILE"), &variables)?;
    let data = data_dir()?;
    let key = variable("FLWD_JWT_SECRET").map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    let warnings = (Arc::clone(&flags), bundle.is_some());
    let (bind, profiles) = (flags.bind, flags.profiles);
    let log = if flags.logs_json { LogFormat::Slog } else { LogFormat::Text };
    let cwd = std::env::current_dir().map_err(|error| Failure::broken(&error))?;
    let sources = SourceRules {
        local_roots: flags.local_roots.iter().map(PathBuf::from).collect(),
        git_hosts: flags.git_hosts.clone(),
        ..SourceRules::at(&cwd)
    };
    let make = move |app: AppState, bound: SocketAddr, _: Option<&str>| {
        boot::warn(&warnings.0, warnings.1, key.is_some());
        let app = AppState { jobs: Arc::new(JobPlace::below(&cwd)), ..app };
        router::router(FlwdState::new(app, (Arc::clone(&flags), engine), bound), key.clone())
    };
    let routes = PublicRoutes::new(make, |problem| FlwdProblem::from(problem.clone()).into_response());
    let additions = Additions { bundle, ..Additions::default() };
    serve_at(data, bind, profiles, ServeExtras { additions, log, routes, sources, ..ServeExtras::default() })
}

impl FlwdState {
    fn new(app: AppState, (flags, engine): (Arc<ServeFlags>, &'static str), bound: SocketAddr) -> Self {
        let metrics = Arc::new(HttpMetrics::new(&flags, &app.metrics));
        let is_on_loopback = bound.ip().to_canonical().is_loopback();
        let (hub, keys) = (Hub::new(), KeysInUse::default());
        Self { app, flags, metrics, hub, keys, is_on_loopback, engine, accepted: Arc::default() }
    }

    /// Whether runs can be exported.
    fn has_export(&self) -> bool {
        self.flags.extensions.iter().any(|name| name == "export")
    }
}
