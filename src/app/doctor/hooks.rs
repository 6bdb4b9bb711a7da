//! The hooks that all repositories share.

use std::fs;
use std::path::PathBuf;

use rustix::fs::{Access, access};

use super::check::Check;
use crate::config::DataDir;
use crate::forge::{HOOKS, hooks_dir};

/// What is in the place of a hook.
enum There {
    Nothing,
    /// No link: somebody's own hook.
    Foreign,
    /// A link, and whether what it leads to can be started.
    Link(PathBuf, bool),
}

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let folder = hooks_dir(data.path());
    if !folder.is_dir() {
        return vec![Check::ok("no hooks yet")];
    }
    let look = |name: &&'static str| {
        let path = folder.join(name);
        let there = match (fs::read_link(&path), path.symlink_metadata()) {
            (Ok(target), _) => There::Link(target, access(&path, Access::EXEC_OK).is_ok()),
            (Err(_), Ok(_)) => There::Foreign,
            (Err(_), Err(_)) => There::Nothing,
        };
        (*name, there)
    };
    judge(&HOOKS.iter().map(look).collect::<Vec<_>>())
}

fn judge(hooks: &[(&str, There)]) -> Vec<Check> {
    let hint = "quire serve puts them in place when it starts";
    let wrong: Vec<Check> = hooks
        .iter()
        .filter_map(|(name, there)| match there {
            There::Link(_, true) => None,
            There::Link(target, false) => {
                let what = format!("{name} leads to {}, which cannot be started", target.display());
                Some(Check::problem(what, "no push is accepted, or none runs", hint))
            }
            There::Foreign => {
                Some(Check::problem(format!("{name} is not quire"), "pushes are not recorded", hint))
            }
            There::Nothing => {
                Some(Check::problem(format!("{name} is missing"), "pushes are not recorded", hint))
            }
        })
        .collect();
    if wrong.is_empty() { vec![Check::ok("in place")] } else { wrong }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn a_hook_must_be_a_link_that_leads_somewhere() {
        let (good, bad) = (|| There::Link("/q".into(), true), There::Link("/q".into(), false));
        assert_eq!(levels(&judge(&[("a", good()), ("b", good())])), [Level::Ok]);
        assert_eq!(levels(&judge(&[("a", bad), ("b", good())])), [Level::Problem]);
        assert_eq!(levels(&judge(&[("a", There::Foreign), ("b", There::Nothing)])), [Level::Problem; 2]);
    }
}
