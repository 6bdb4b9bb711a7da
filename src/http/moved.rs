//! Pages of a repository that has another name now: who may see it is sent there, until something else takes the old name.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::{AppState, Caller, GitUse, served_repo};
use crate::model::RepoName;

/// Answers a page that is not found under an old name with its address under the new one.
pub(super) async fn follow(
    State(app): State<AppState>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let is_page =
        matches!(*request.method(), Method::GET | Method::HEAD) && !request.uri().path().starts_with("/api/");
    let uri = is_page.then(|| request.uri().clone());
    let response = next.run(request).await;
    let Some(uri) = uri.filter(|_| response.status() == StatusCode::NOT_FOUND) else { return response };
    for (name, rest) in names(uri.path()) {
        // Strangers learn nothing: what they may not see is not followed.
        let Ok(served) = served_repo(&app, &caller, (&name, GitUse::Fetch)).await else { continue };
        if served.name != name {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            let place = HeaderValue::from_str(&format!("/{}{rest}{query}", served.name));
            let Ok(place) = place else { return response };
            return (StatusCode::FOUND, [(header::LOCATION, place)]).into_response();
        }
    }
    response
}

/// The repositories that a path can begin with, and the rest: `group/name`, or `name`.
fn names(path: &str) -> Vec<(RepoName, &str)> {
    let Some(path) = path.strip_prefix('/') else { return Vec::new() };
    let ends = path.match_indices('/').map(|(place, _)| place).chain([path.len()]).take(2);
    let split = ends.filter_map(|end| path.split_at_checked(end));
    let mut names: Vec<_> =
        split.filter_map(|(name, rest)| Some((RepoName::parse(name).ok()?, rest))).collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_with_a_name_or_a_group_and_a_name() {
        let of = |path: &'static str| -> Vec<String> {
            names(path).into_iter().map(|(name, rest)| format!("{name} {rest}")).collect()
        };
        assert_eq!(of("/site"), ["site "]);
        assert_eq!(of("/site/run/1"), ["site/run /1", "site /run/1"]);
        assert_eq!(of("/group/app/tree/main/a b"), ["group/app /tree/main/a b", "group /app/tree/main/a b"]);
        for path in ["", "/", "//x", "/..", "/%2e"] {
            assert_eq!(of(path), [""; 0], "{path}");
        }
    }
}
