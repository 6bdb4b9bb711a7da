//! The repositories: adopted, readable, and set up as quire needs them.

use super::check::Check;
use crate::app::recorded_names;
use crate::config::DataDir;
use crate::forge::{Problem, hooks_dir, list_repos};
use crate::model::{RepoName, chain};

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    if !data.repos().is_dir() {
        return vec![Check::ok("no repositories yet")];
    }
    let listed = match list_repos(data.path(), &recorded_names(data)) {
        Ok(listed) => listed,
        Err(error) => {
            return vec![Check::problem(
                chain(&error),
                "no repository can be served",
                error.help().unwrap_or_else(|| "is the folder readable?".to_owned()),
            )];
        }
    };
    let wrong: Vec<Check> = listed
        .iter()
        .flat_map(|repo| repo.problems.iter().map(|problem| judge(data, &repo.name, problem)))
        .collect();
    if wrong.is_empty() { vec![Check::ok(format!("{} in order", listed.len()))] } else { wrong }
}

fn judge(data: &DataDir, repo: &RepoName, problem: &Problem) -> Check {
    let name = repo.as_str();
    let what = format!("{name}: {}", chain(problem));
    match problem {
        Problem::NotAdopted => {
            Check::warning(what, "pushes to it are not quire's", format!("quire repo adopt {name}"))
        }
        Problem::Settings(keys) => {
            let path = data.repo(repo);
            let hint = match keys.as_slice() {
                ["core.hooksPath"] => {
                    let hooks = hooks_dir(data.path());
                    format!("git -C '{}' config core.hooksPath '{}'", path.display(), hooks.display())
                }
                _ => format!("git -C '{}' config KEY VALUE; docs/formats.md has the values", path.display()),
            };
            let why = match keys.contains(&"core.hooksPath") {
                true => "its pushes reach no hook: nothing is recorded at once, with pusher and options",
                false => "updates of its refs can be lost or misread",
            };
            Check::problem(what, why, hint)
        }
        Problem::Copy(of) => Check::problem(
            what,
            format!("pushes to it are refused; those to {of} run"),
            format!(
                "quire repo adopt {name}  makes it a repository of its own; or remove {}",
                data.repo(repo).display()
            ),
        ),
        Problem::MissingAlternate(folder) => Check::problem(
            what,
            "commits whose objects are there cannot be read",
            format!(
                "bring {} back, or correct {}/objects/info/alternates",
                folder.display(),
                data.repo(repo).display()
            ),
        ),
        Problem::MissingDefaultBranch(_) => {
            Check::warning(what, "clones of it are empty", format!("quire repo default-branch {name} BRANCH"))
        }
        Problem::Hidden { .. } => Check::warning(
            what,
            "it has no page",
            format!("quire repo rename {name} {}", repo.similar_name()),
        ),
        Problem::Linked => {
            let path = data.repos().join(repo.folder());
            let path = if path.exists() { path } else { data.repos().join(name) };
            let hint =
                format!("mount what it leads to in its place: mount --bind TARGET '{}'", path.display());
            Check::problem(what, "pushes through it are not quire's", hint)
        }
        Problem::Unreadable(_) => Check::problem(what, "nothing of it is run", "git fsck says more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::Level;

    #[test]
    fn what_is_wrong_with_a_repository_has_its_weight() {
        let (data, foo) = (DataDir::new("/d"), RepoName::parse("foo").unwrap());
        assert_eq!(judge(&data, &foo, &Problem::NotAdopted).level, Level::Warning);
        let hooks = judge(&data, &foo, &Problem::Settings(vec!["core.hooksPath"]));
        assert_eq!(hooks.level, Level::Problem);
        assert!(hooks.why.unwrap().contains("no hook"));
    }
}
