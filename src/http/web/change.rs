//! What the buttons of pages do: forms that are sent by `POST`, answered by the page of what has changed.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;

use super::address::{Address, number};
use super::admin;
use super::ask::{Ask, form_pairs, lead_to};
use super::no_page;
use crate::app::{CancelRun, Operation, RerunRun};
use crate::http::problem::Refused;
use crate::model::Scope;

/// What a form says.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(body: &Bytes) -> Self {
        Self(form_pairs(&String::from_utf8_lossy(body)).collect())
    }

    /// The value of a field; empty ones are absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

/// Whether a path is that of a button: others take no `POST`.
pub(super) fn is_action(path: &str) -> bool {
    admin::word(path).is_some()
        || Address::parse(path).is_some_and(|address| {
            let is_button = ["/rerun", "/cancel"].iter().any(|end| address.rest.ends_with(end));
            address.page == "run" && (address.rest.is_empty() || is_button)
        })
}

/// `POST` of an address below `/{repo}/run`.
pub(super) async fn run(ask: &Ask, form: &Form) -> Result<Response, Refused> {
    let parts = ask.address.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let [text, action] = parts.as_slice() else { return Err(no_page()) };
    let name = ask.run_name(number(text).ok_or_else(no_page)?);
    let row = ask.caller.run_to_change(&ask.app, Scope::RunsWrite, &name).await?;
    let (run, by) = (row.id.to_string(), Some(ask.caller.actor().to_owned()));
    let app = ask.app.acting_as(&ask.caller);
    let number = match *action {
        "cancel" => CancelRun { run, by }.perform(&app).await?.number,
        "rerun" => {
            let job = form.get("job").map(str::to_owned);
            RerunRun { run, failed: form.get("failed").is_some(), job, by }.perform(&app).await?.number
        }
        _ => return Err(no_page()),
    };
    Ok(lead_to(StatusCode::SEE_OTHER, &format!("/{}/run/{number}", ask.address.repo)))
}
