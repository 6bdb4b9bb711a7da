//! Repositories: listed, shown, made, changed, removed.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::BASE;
use crate::app::{
    self, AppState, Caller, Code, Problem, RepoShape, RepoUpdate, check_description, list_repo_shapes,
    repo_shape, update_repo,
};
use crate::http::caller::Known;
use crate::http::input::{Body, Path, Query, repo_name};
use crate::http::page::Page;
use crate::http::problem::{Problems, Refused};
use crate::model::{BranchName, Quoted, Scope, Visibility, percent_encoded, suggest};

/// Which repositories to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RepoQuery {
    /// At most this many
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// Where the page begins, from the Link header of an answer
    cursor: Option<String>,
}

/// A repository to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRepo {
    /// `name` or `group/name`
    name: String,
    /// What it is, in a line
    description: Option<String>,
    /// `public`, `unlisted` or `private`; the setting of the server when absent
    visibility: Option<String>,
    /// The same for the logs of its runs
    log_visibility: Option<String>,
}

/// What is to be changed of a repository; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedRepo {
    /// Its new name
    name: Option<String>,
    /// What it is, in a line; null for nothing
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// `public`, `unlisted` or `private`
    visibility: Option<String>,
    /// The same for the logs of its runs
    log_visibility: Option<String>,
    /// The branch that clones check out
    default_branch: Option<String>,
}

/// A member that is there, also when it is null.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

fn visibility(field: &str, text: Option<&String>) -> Result<Option<Visibility>, Problem> {
    let Some(text) = text else { return Ok(None) };
    Visibility::parse(text).map(Some).ok_or_else(|| {
        let words = Visibility::ALL.map(Visibility::as_str);
        let near = suggest(text, words).map(|near| format!("did you mean `{near}`?"));
        let text = format!("in the body: {field}: {} is unknown", Quoted::new(text));
        Problem::new(Code::RequestInvalid, text)
            .hint(near.unwrap_or_else(|| format!("it is one of {}", words.join(", "))))
    })
}

/// Repositories, newest first.
#[utoipa::path(get, path = "/repos", operation_id = "listRepos", params(RepoQuery),
    security((), ("token" = ["repos:read"])),
    responses((status = 200, description = "The repositories; `Link` has the address of the next page", body = [RepoShape]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    uri: axum::extract::OriginalUri,
    Query(query): Query<RepoQuery>,
) -> Result<Response, Refused> {
    let page = Page::new(&app.instance, &uri, (query.limit, query.cursor.as_deref()))?;
    let visible = caller.listed_repos(&app, Scope::ReposRead).await?;
    let (repos, next) = list_repo_shapes(&app, visible, (page.before, page.limit), caller.is_local()).await?;
    Ok(page.answer(&uri, repos, next))
}

/// A repository.
#[utoipa::path(get, path = "/repos/{repo}", operation_id = "getRepo", params(("repo" = String, Path, description = "Its name")),
    security((), ("token" = ["repos:read"])),
    responses((status = 200, description = "The repository", body = RepoShape), Problems))]
pub(super) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(repo): Path<String>,
) -> Result<Json<RepoShape>, Refused> {
    let found = caller.repo_to_read(&app, Scope::ReposRead, &repo_name(&repo)?).await?;
    Ok(Json(repo_shape(&app, found, caller.is_local()).await?))
}

/// Makes an empty repository.
#[utoipa::path(post, path = "/repos", operation_id = "createRepo", request_body = NewRepo,
    security(("token" = ["repos:write"])),
    responses((status = 201, description = "The repository; `Location` is its address", body = RepoShape), Problems))]
pub(super) async fn create(
    State(app): State<AppState>,
    Known(caller): Known,
    Body(new): Body<NewRepo>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<RepoShape>), Refused> {
    let name = repo_name(&new.name)?;
    caller.expect_may_create(&name)?;
    let update = RepoUpdate {
        name: None,
        description: new.description.map(check_description).transpose()?.map(Some),
        visibility: visibility("visibility", new.visibility.as_ref())?,
        log_visibility: visibility("log_visibility", new.log_visibility.as_ref())?,
        default_branch: None,
    };
    let row = app::create_repo(&app.acting_as(&caller), &name).await?;
    let made = update_repo(&app, (row, app::RepoSettings::default()), update).await?;
    let shape = repo_shape(&app, made, caller.is_local()).await?;
    let location = format!("{BASE}/repos/{}", percent_encoded(&shape.name));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shape)))
}

/// Changes a repository.
#[utoipa::path(patch, path = "/repos/{repo}", operation_id = "updateRepo", params(("repo" = String, Path, description = "Its name")),
    request_body = ChangedRepo,
    security(("token" = ["repos:write"])),
    responses((status = 200, description = "The repository", body = RepoShape), Problems))]
pub(super) async fn update(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(repo): Path<String>,
    Body(changed): Body<ChangedRepo>,
) -> Result<Json<RepoShape>, Refused> {
    let (row, settings) = caller.repo_to_change(&app, Scope::ReposWrite, &repo_name(&repo)?).await?;
    let branch = |text: &String| {
        BranchName::parse(text).map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))
    };
    let update = RepoUpdate {
        name: changed.name.as_deref().map(repo_name).transpose()?,
        description: match changed.description {
            Some(Some(text)) => Some(Some(check_description(text)?)),
            other => other,
        },
        visibility: visibility("visibility", changed.visibility.as_ref())?,
        log_visibility: visibility("log_visibility", changed.log_visibility.as_ref())?,
        default_branch: changed.default_branch.as_ref().map(branch).transpose()?,
    };
    let updated = update_repo(&app.acting_as(&caller), (row, settings), update).await?;
    Ok(Json(repo_shape(&app, updated, caller.is_local()).await?))
}

/// Moves a repository and its runs to the trash.
#[utoipa::path(delete, path = "/repos/{repo}", operation_id = "removeRepo", params(("repo" = String, Path, description = "Its name")),
    security(("token" = ["repos:write"])),
    responses((status = 204, description = "It is in the trash"), Problems))]
pub(super) async fn remove(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(repo): Path<String>,
) -> Result<StatusCode, Refused> {
    let (row, _) = caller.repo_to_change(&app, Scope::ReposWrite, &repo_name(&repo)?).await?;
    app::trash_repo(&app.acting_as(&caller), row).await?;
    Ok(StatusCode::NO_CONTENT)
}
