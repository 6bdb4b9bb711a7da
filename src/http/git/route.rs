//! The paths that git asks for: `/NAME.git/info/refs`, `/NAME.git/git-upload-pack`, `/NAME.git/git-receive-pack`.

use axum::http::{Method, Uri};

use crate::app::GitUse;
use crate::model::RepoName;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// What the repository has, before git fetches or pushes.
    Advertise(GitUse),
    /// The objects.
    Serve(GitUse),
    /// Something of git-lfs.
    Lfs,
    /// A file of the repository, as old clients read them.
    Dumb,
}

/// A path of git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) repo: RepoName,
    pub(super) action: Action,
}

/// How what is asked for ends a path, and what it is in git's own words.
const SERVICES: [(&str, GitUse); 2] =
    [("/git-upload-pack", GitUse::Fetch), ("/git-receive-pack", GitUse::Push)];

/// The path of the advertisement.
const INFO_REFS: &str = "/info/refs";

impl Route {
    /// What a target asks for, if it is one of git. There is one path for each: nothing is decoded.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let (repo, rest) = split(uri.path())?;
        let repo = RepoName::parse(repo).ok().filter(|name| name.as_str() == repo)?;
        let service =
            |name: &str| SERVICES.into_iter().find(|(path, _)| path.strip_prefix('/') == Some(name));
        let action = if let Some((_, git_use)) = SERVICES.into_iter().find(|(path, _)| *path == rest) {
            Action::Serve(git_use)
        } else if rest == INFO_REFS {
            let name = uri.query().and_then(|query| query.strip_prefix("service="));
            name.and_then(service).map_or(Action::Dumb, |(_, git_use)| Action::Advertise(git_use))
        } else if rest.starts_with("/info/lfs/") || rest == "/info/lfs" {
            Action::Lfs
        } else {
            Action::Dumb
        };
        Some(Self { repo, action })
    }
}

/// The repository and the rest of a path that has `.git` in it.
fn split(path: &str) -> Option<(&str, &str)> {
    let (repo, rest) = path.strip_prefix('/')?.split_once(".git/")?;
    let rest = path.get(path.len() - rest.len() - 1..)?;
    Some((repo, rest))
}

/// Whether a path is one of git.
pub(in crate::http) fn is_git(uri: &Uri) -> bool {
    Route::of(uri).is_some()
}

/// Whether the body of a request is passed on while it comes: it can be larger than the memory, and have no length.
pub(in crate::http) fn streams_body(method: &Method, uri: &Uri) -> bool {
    *method == Method::POST && matches!(Route::of(uri), Some(Route { action: Action::Serve(_), .. }))
}

/// The part of the path that is below the repository.
pub(super) fn path_info(uri: &Uri) -> String {
    split(uri.path()).map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_git_names_a_repository_and_a_service() {
        let of = |target: &str| {
            let route = Route::of(&target.parse().unwrap());
            route.map(|route| (route.repo.to_string(), route.action))
        };
        let site = |action| Some(("site".to_owned(), action));
        assert_eq!(of("/site.git/info/refs?service=git-upload-pack"), site(Action::Advertise(GitUse::Fetch)));
        assert_eq!(of("/site.git/info/refs?service=git-receive-pack"), site(Action::Advertise(GitUse::Push)));
        assert_eq!(of("/site.git/git-receive-pack"), site(Action::Serve(GitUse::Push)));
        assert_eq!(
            of("/group/app.git/git-upload-pack"),
            Some(("group/app".to_owned(), Action::Serve(GitUse::Fetch)))
        );
        assert_eq!(of("/site.git/info/lfs/objects/batch"), site(Action::Lfs));
        for target in [
            "/site.git/HEAD",
            "/site.git/objects/info/packs",
            "/site.git/config",
            "/site.git/../x",
            "/site.git/info/refs",
            "/site.git/info/refs?service=git-upload-archive",
            "/site.git/info/refs?service=git-upload-pack&x=1",
            "/site.git/x.git/git-upload-pack",
        ] {
            assert_eq!(of(target), site(Action::Dumb), "{target}");
        }
        for target in [
            "/",
            "/site",
            "/site.git",
            "/site/git-upload-pack",
            "/a/b/c.git/git-upload-pack",
            "/..git/git-upload-pack",
            "/../site.git/git-upload-pack",
            "//site.git/git-upload-pack",
            "/si%74e.git/git-upload-pack",
            "/site%00.git/git-upload-pack",
            "/-x.git/git-upload-pack",
            "/.git/git-upload-pack",
            "/api/v1/repos/x.git",
        ] {
            assert_eq!(of(target), None, "{target}");
        }
    }
}
