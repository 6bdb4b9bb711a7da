//! The pages of one run.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::address::number;
use super::ask::Ask;
use super::no_page;
use super::runs::ref_names;
use crate::app::{RunFilter, list_run_shapes};
use crate::http::problem::Refused;
use crate::model::Scope;

/// The page at an address below `/{repo}/run`.
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let parts = ask.address.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["latest"] => latest(ask).await,
        [run] => {
            let row = ask.run(number(run).ok_or_else(no_page)?).await?;
            Ok(see_other(&format!("/{}/runs", row.repo)))
        }
        _ => Err(no_page()),
    }
}

/// `GET /{repo}/run/latest?ref=`: leads to the newest run, of a ref or of all.
async fn latest(ask: &Ask) -> Result<Response, Refused> {
    let (repo, _) = ask.repo(Scope::RunsRead).await?;
    let refs = ask.query("ref").as_deref().map(ref_names).transpose()?.unwrap_or_default();
    let filter =
        RunFilter { visible: Some(vec![repo.id]), ref_names: refs, limit: 1, ..RunFilter::default() };
    let found = list_run_shapes(&ask.app, filter).await?;
    let run = found.runs.first().ok_or_else(no_page)?;
    Ok((StatusCode::FOUND, see_other(&format!("/{}/run/{}", repo.name, run.number))).into_response())
}

/// Leads to another page of this server.
pub(super) fn see_other(path: &str) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    answer.headers_mut().extend(HeaderValue::from_str(path).map(|path| (header::LOCATION, path)));
    answer
}
