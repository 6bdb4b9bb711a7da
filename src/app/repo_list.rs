//! The repositories of a data folder as `quire repo list --json` prints them: those whose folders are there, also when no
//! server has seen them yet.

use serde::{Deserialize, Serialize};

use super::operation::Operation;
use super::problem::Problem;
use super::repo_shapes::{RepoShape, repo_shape};
use super::repositories::list_repos;
use super::state::AppState;
use crate::config::Bind;
use crate::forge::Listed;
use crate::model::Visibility;
use crate::store::{self, RepoRow};

/// All repositories are listed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListRepos {}

/// The repositories, and what is wrong with folders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ListedRepos {
    /// Newest first, as over HTTP.
    pub(crate) repos: Vec<RepoShape>,
    /// Problems of these and of other folders, each with the name.
    pub(crate) warnings: Vec<String>,
}

impl Operation for ListRepos {
    type Answer = ListedRepos;

    const ROUTE: &'static str = "/repos/list";

    async fn perform(self, app: &AppState) -> Result<ListedRepos, Problem> {
        let app = AppState { visibility: default_visibility(app)?, ..app.clone() };
        let of_folder = app.clone();
        let listed = app.block(move || list_repos(&of_folder)).await?;
        let warnings = listed.iter().flat_map(warnings).collect();
        let row = |repo: &Listed| Some(RepoRow::hosted(repo.id?.to_string(), repo.name.clone()));
        // A server records them by name, so that the last name is the newest.
        let rows: Vec<RepoRow> = listed.iter().rev().filter_map(row).collect();
        let found = app.store.read(move |connection| {
            let recorded = |row: RepoRow| {
                // What has no row yet is the newest.
                let (place, settings) =
                    store::recorded_settings(connection, &row.id)?.unwrap_or((i64::MAX, Default::default()));
                Ok((place, row, settings))
            };
            rows.into_iter().map(recorded).collect::<Result<Vec<_>, rusqlite::Error>>()
        });
        let mut found = found.await??;
        found.sort_by_key(|(place, ..)| std::cmp::Reverse(*place));
        let mut repos = Vec::new();
        for (_, row, settings) in found {
            repos.push(repo_shape(&app, (row, settings), true).await?);
        }
        Ok(ListedRepos { repos, warnings })
    }
}

fn warnings(repo: &Listed) -> impl Iterator<Item = String> {
    repo.problems.iter().map(|problem| format!("{}: {problem}", repo.name))
}

/// Who may see what says nothing else. Without a server: what the next one would say, as `config.fnl` is.
fn default_visibility(app: &AppState) -> Result<Visibility, Problem> {
    if app.local.is_none() {
        return Ok(app.visibility);
    }
    let settings = app.settings.read()?;
    let address = match settings.bind {
        Bind::Address(address) => Some(address),
        Bind::Nothing => None,
    };
    Ok(settings.http.visibility(address))
}
