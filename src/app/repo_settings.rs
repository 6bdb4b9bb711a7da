//! What people say about a repository – what it is, who may see it – as a command changes it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::caller::no_repo;
use super::operation::Operation;
use super::problem::{Code, Problem};
use super::repo_shapes::{RepoUpdate, update_repo};
use super::state::AppState;
use crate::model::{Quoted, RepoName, Visibility, suggest};
use crate::store;

/// The longest description, in bytes.
const MAX_DESCRIPTION: usize = 1_000;

/// Something is said about a repository; what is absent stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DescribeRepo {
    pub(crate) name: String,
    /// What it is, in a line; an empty text removes it.
    pub(crate) description: Option<String>,
    /// Who may see it.
    pub(crate) visibility: Option<String>,
    /// Who may see the logs of its runs.
    pub(crate) log_visibility: Option<String>,
    /// Who says so.
    pub(crate) by: String,
}

impl Operation for DescribeRepo {
    type Answer = ();

    const ROUTE: &'static str = "/repos/describe";

    async fn perform(self, app: &AppState) -> Result<(), Problem> {
        let name =
            RepoName::parse(&self.name).map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))?;
        let description = self.description.map(check_description).transpose()?;
        let update = RepoUpdate {
            description: description.map(|text| Some(text).filter(|text| !text.is_empty())),
            visibility: self.visibility.as_deref().map(parse_visibility).transpose()?,
            log_visibility: self.log_visibility.as_deref().map(parse_visibility).transpose()?,
            ..RepoUpdate::default()
        };
        let row = app.repo(name.clone()).await?.ok_or_else(|| no_repo(&name))?;
        let id = row.id.clone();
        let settings = app.store.call(move |connection| store::repo_settings(connection, &id)).await??;
        let app = AppState { actor: Arc::from(self.by), ..app.clone() };
        update_repo(&app, (row, settings.unwrap_or_default()), update).await.map(drop)
    }
}

/// Checks that a text can describe a repository.
///
/// # Errors
/// When it is too long, or not one line.
pub(crate) fn check_description(text: String) -> Result<String, Problem> {
    if text.len() > MAX_DESCRIPTION || text.contains(char::is_control) {
        let text = format!("a description has at most {MAX_DESCRIPTION} bytes in one line");
        return Err(Problem::new(Code::RequestRefused, text));
    }
    Ok(text)
}

fn parse_visibility(text: &str) -> Result<Visibility, Problem> {
    Visibility::parse(text).ok_or_else(|| {
        let words = Visibility::ALL.map(Visibility::as_str);
        let near = suggest(text, words).map(|near| format!("did you mean `{near}`?"));
        Problem::new(Code::RequestInvalid, format!("{} is not a visibility", Quoted::new(text)))
            .hint(near.unwrap_or_else(|| format!("it is one of {}", words.join(", "))))
    })
}
