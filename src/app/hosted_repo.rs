//! Finding a hosted repository by its name, and making its row when it has none.

use super::problem::Problem;
use super::state::AppState;
use crate::forge::{current_name, is_link_to_runs, original_of, read_identity};
use crate::intake::sync_repositories;
use crate::model::RepoName;
use crate::store::{self, RepoRow};

/// What is known of a repository that was named.
enum FoundRepo {
    /// Its row, if it is one.
    Known(Option<RepoRow>),
    /// It has another name than its row, and perhaps others have.
    Renamed(String),
    /// It has no row yet.
    New(RepoRow),
}

impl AppState {
    /// The hosted repository of this name: the row, made when the folder is there and the row is not. Nothing for a folder
    /// that is not adopted, or is a copy of another repository.
    pub(crate) async fn repo(&self, name: RepoName) -> Result<Option<RepoRow>, Problem> {
        // Most are known: who reads a page does not wait for what is written meanwhile.
        let of = name.clone();
        let known = self.store.read(move |connection| store::find_repo(connection, &of)).await??;
        if let Some(row) = known.filter(|row| !row.is_watched()) {
            return Ok(Some(row));
        }
        let data = self.data.clone();
        let found = self.store.call(move |connection| -> Result<FoundRepo, Problem> {
            let found = store::find_repo(connection, &name)?;
            if let Some(row) = found.filter(|row| !row.is_watched()) {
                return Ok(FoundRepo::Known(Some(row)));
            }
            if current_name(data.path(), &name).is_some() {
                return Ok(FoundRepo::Known(None));
            }
            let identity = read_identity(&data.repo(&name))?;
            let Some(identity) = identity else { return Ok(FoundRepo::Known(None)) };
            let id = identity.id.to_string();
            let recorded = store::recorded_name(connection, &id)?;
            if original_of(data.path(), &name, identity.id, recorded.as_ref()).is_some() {
                return Ok(FoundRepo::Known(None));
            }
            if recorded.is_some_and(|recorded| recorded != name) || is_link_to_runs(data.path(), &name) {
                return Ok(FoundRepo::Renamed(id));
            }
            Ok(FoundRepo::New(RepoRow::hosted(id, name)))
        });
        match found.await?? {
            FoundRepo::Known(row) => Ok(row),
            FoundRepo::Renamed(id) => {
                let data = self.data.clone();
                let store = self.writer()?;
                let listing = store.call(move |connection| sync_repositories(connection, &data)).await?;
                let listing = listing.map_err(|error| Problem::failed(&error))?;
                Ok(listing.rows.into_iter().find(|row| row.id == id))
            }
            FoundRepo::New(row) => {
                let made = row.clone();
                self.writer()?.call(move |connection| store::sync_repo(connection, &made)).await??;
                Ok(Some(row))
            }
        }
    }
}
